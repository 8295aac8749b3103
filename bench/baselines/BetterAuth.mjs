/**
 * better-auth's phone numbers over its own Node handler and a pool of node-postgres, set up for speed: no rate limits, no log,
 * no telemetry, statements prepared, codes handed over after the answer through connections that are kept.
 */
import { betterAuth } from "better-auth"
import { getMigrations } from "better-auth/db/migration"
import { toNodeHandler } from "better-auth/node"
import { phoneNumber } from "better-auth/plugins/phone-number"
import { createHash, randomBytes } from "node:crypto"
import { Agent, createServer, request } from "node:http"
import { Client, Pool } from "pg"

/** Gives each text a name, by which node-postgres prepares it once for each connection. */
class PreparingClient extends Client {
  #names = new Map()

  query(text, values, ...rest) {
    if (typeof text !== "string" || !Array.isArray(values)) return super.query(text, values, ...rest)
    let name = this.#names.get(text)
    if (name === undefined) {
      name = createHash("sha256").update(text).digest("hex").slice(0, 32)
      this.#names.set(text, name)
    }
    return super.query({ name, text, values }, ...rest)
  }
}

const pool = new Pool({
  connectionString: process.env.DATABASE_URL,
  max: Number(process.env.POOL ?? 24),
  Client: PreparingClient
})

const agent = new Agent({ keepAlive: true, maxSockets: 64 })

const sendOTP = ({ code, phoneNumber }) =>
  new Promise((done, failed) => {
    const body = JSON.stringify({ args: { lastPhone: phoneNumber, code } })
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) }
    request(process.env.PROVIDER_URL, { method: "POST", agent, headers }, (response) => {
      response.resume()
      if (response.statusCode !== 200) return failed(new Error(`the provider answered ${response.statusCode}`))
      response.once("end", done)
    }).once("error", failed).end(body)
  })

const auth = betterAuth({
  baseURL: "http://127.0.0.1",
  secret: randomBytes(32).toString("base64"),
  database: pool,
  rateLimit: { enabled: false },
  logger: { disabled: true },
  telemetry: { enabled: false },
  advanced: {
    disableCSRFCheck: true,
    disableOriginCheck: true,
    backgroundTasks: { handler: () => {} }
  },
  plugins: [phoneNumber({ sendOTP })]
})

const { runMigrations } = await getMigrations(auth.options)
await runMigrations()

const server = createServer(toNodeHandler(auth))
server.listen(0, "127.0.0.1", () => process.stdout.write(`listening on http://127.0.0.1:${server.address().port}\n`))
process.once("SIGTERM", () => process.exit(0))

/** A server of node:http alone, with PostgreSQL, and a provider of SMS that is called by fetch. */
import { errorAnswer, make } from "effect-user-phone/promise"
import * as Postgres from "effect-user-phone/promise/Postgres"
import * as SmsSender from "effect-user-phone/promise/SmsSender"
import { createServer, type IncomingMessage } from "node:http"
import { json } from "node:stream/consumers"

const setting = (name: string): string => {
  const value = process.env[name]
  if (value === undefined) throw new Error(`${name} is not set`)
  return value
}

/** Your provider: whatever else goes wrong, the message is tried again. */
const acmeUrl = setting("ACME_URL")
const acme = SmsSender.layer("acme", async ({ messageId, recipient, text }, signal) => {
  const body = JSON.stringify({ id: messageId, to: recipient, text })
  const response = await fetch(acmeUrl, { method: "POST", body, signal })
  if (response.status === 422) throw new SmsSender.SmsFailed("permanent", { code: "HTTP 422" })
  if (response.status === 401) throw new SmsSender.SmsFailed("account-refused", { code: "HTTP 401" })
  if (!response.ok) throw new SmsSender.SmsFailed("transient", { code: `HTTP ${response.status}` })
})

const phones = await make(Postgres.layer({
  databaseUrl: setting("DATABASE_URL"),
  codeKeys: setting("CODE_KEYS"),
  fingerprintKey: setting("FINGERPRINT_KEY"),
  sms: acme,
  phones: { regions: ["AT", "CH", "DE"] }
}))

/** Members are checked where they are used; anything but an object has none. */
const body = async (request: IncomingMessage): Promise<{ readonly [Name in "code" | "phone"]: string }> => {
  const value: unknown = await json(request)
  return Object(value)
}

const server = createServer((request, response) => {
  const answer = (status: number, body: object = {}, headers: Readonly<Record<string, string>> = {}) =>
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body))

  const handle = async () => {
    // Who asks is what your session says; here, whoever they say they are.
    const userId = String(request.headers["x-user"])
    const me = phones.as({ userId, organization: "customers" })
    switch (`${request.method} ${request.url}`) {
      case "POST /sign-up":
        await phones.users.register({ userId, resourceOwner: "customers" })
        return answer(201)
      case "PUT /me/phone": {
        const { phone } = await body(request)
        return answer(200, await me.setPhone({ userId, phone }))
      }
      case "POST /me/phone/verify": {
        const { code } = await body(request)
        return answer(200, await me.verifyPhone({ userId, verificationCode: code }))
      }
      case "GET /me/phone":
        return answer(200, await me.getPhone({ userId }))
    }
    return answer(404)
  }
  handle().catch((error: unknown) => {
    const known = errorAnswer(error)
    if (known !== undefined) return answer(known.status, known.body, known.headers)
    if (error instanceof SyntaxError) return answer(400)
    console.error(error)
    return answer(500)
  })
})

server.listen(Number(setting("PORT")), "127.0.0.1")
process.once("SIGTERM", () => server.close(() => phones.close()))

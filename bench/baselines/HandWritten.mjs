/**
 * What a good engineer writes by hand for SetPhone: node:http and node-postgres, one prepared statement for the whole change
 * (user, two events, message). No token, no limits, no checks but that there is a number.
 */
import { createHmac, randomBytes, randomInt } from "node:crypto"
import { createServer } from "node:http"
import { Pool } from "pg"

const pool = new Pool({
  connectionString: process.env.DATABASE_URL,
  max: Number(process.env.POOL ?? 16)
})
const key = randomBytes(32)

await pool.query(`
  CREATE TABLE IF NOT EXISTS users (
    id text PRIMARY KEY, organization text NOT NULL, phone text, verified boolean NOT NULL DEFAULT false,
    sequence bigint NOT NULL DEFAULT 0, changed_at timestamptz, digest bytea, expires_at timestamptz
  );
  CREATE TABLE IF NOT EXISTS events (
    user_id text NOT NULL, sequence bigint NOT NULL, type text NOT NULL, phone text, at timestamptz NOT NULL,
    PRIMARY KEY (user_id, sequence)
  );
  CREATE TABLE IF NOT EXISTS outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id text NOT NULL, body bytea NOT NULL, due_at timestamptz NOT NULL
  )`)

const change = `
  WITH changed AS (
    UPDATE users SET phone = $2, verified = false, sequence = sequence + 2, changed_at = now(), digest = $3,
      expires_at = now() + interval '10 minutes'
    WHERE id = $1
    RETURNING id, sequence, changed_at, organization
  ), logged AS (
    INSERT INTO events (user_id, sequence, type, phone, at)
    SELECT id, sequence - 1, 'user.human.phone.changed', $2, changed_at FROM changed
    UNION ALL SELECT id, sequence, 'user.human.phone.code.added', NULL, changed_at FROM changed
  ), queued AS (
    INSERT INTO outbox (user_id, body, due_at) SELECT id, $4, changed_at FROM changed
  )
  SELECT sequence, changed_at, organization FROM changed`

const answer = (response, status, body) => {
  const text = JSON.stringify(body)
  response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) })
  response.end(text)
}

const path = /^\/v2\/users\/([^/]+)\/phone$/

const server = createServer((request, response) => {
  const chunks = []
  request.on("data", (chunk) => chunks.push(chunk))
  request.on("end", async () => {
    try {
      const { phone, returnCode } = JSON.parse(Buffer.concat(chunks).toString())
      const code = String(randomInt(1_000_000)).padStart(6, "0")
      const digest = createHmac("sha256", key).update(code).digest()
      const message = Buffer.from(`${phone} ${code}`)
      const userId = decodeURIComponent(path.exec(request.url)[1])
      const { rows: [row] } = await pool.query({ name: "change", text: change, values: [userId, phone, digest, message] })
      if (row === undefined) return answer(response, 404, { code: 5, message: "no such user" })
      const details = { sequence: row.sequence, changeDate: row.changed_at, resourceOwner: row.organization }
      answer(response, 200, returnCode === undefined ? { details } : { details, verificationCode: code })
    } catch {
      answer(response, 400, { code: 3, message: "not understood" })
    }
  })
})

server.listen(0, "127.0.0.1", () => process.stdout.write(`listening on http://127.0.0.1:${server.address().port}\n`))
process.once("SIGTERM", () => process.exit(0))

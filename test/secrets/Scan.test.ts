/**
 * The search for secrets finds what is planted wherever it looks, and nothing in what is random: else that it finds
 * nothing elsewhere would say nothing.
 *
 * The outputs of the whole run are searched by `SecretReporter`.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Metric } from "effect"
import { createHash, randomBytes } from "node:crypto"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join, relative, resolve } from "node:path"
import { inspect } from "node:util"
import { plantingTest, plants } from "../fixtures/SecretReporter.ts"
import { number } from "../fixtures/SecretRuns.ts"
import * as Scan from "../fixtures/SecretScan.ts"
import { startServer } from "../fixtures/ServerProcess.ts"
import { Known, listen } from "../fixtures/Wire.ts"

describe("the scan", () => {
  const code = "604217"
  const scan = Scan.make({ numbers: [number], codes: [{ code, userId: "ada", number }] })
  const sha = (text: string) => createHash("sha256").update(text).digest()

  it("finds a number in every spelling", () => {
    const spellings = [
      number,
      "41791112233",
      "0791112233",
      "791112233",
      "+41 (0)79 111-22.33",
      "079/111 22 33",
      "+\u0664\u0661\u0667\u0669\u0661\u0661\u0661\u0662\u0662\u0663\u0663",
      "+\u096A\u0967\u096D\u096F\u0967\u0967\u0967\u0968\u0968\u0969\u0969",
      encodeURIComponent(number),
      ...["", "a", "ab"].map((before) => Buffer.from(`${before}${number}c`).toString("base64")),
      Buffer.from(JSON.stringify({ phone: number, "?": "~~~" })).toString("base64url"),
      Buffer.from(number).toString("hex").toUpperCase(),
      `\\x00${Buffer.from(number).toString("hex")}`,
      Buffer.from(Buffer.from(number).toString("base64")).toString("hex"),
      inspect(Uint8Array.from(Buffer.from(number))),
      JSON.stringify(Buffer.from(number)),
      sha(number).toString("hex"),
      sha("41791112233").toString("base64"),
      createHash("md5").update(number).digest("base64url")
    ]
    for (const text of spellings) assert.include([...scan(`x ${text} y`)].join(), `number ${number}`, text)
  })

  it("finds a code in every spelling", () => {
    const spellings = [
      code,
      `code=${code},`,
      `"${code}"`,
      Buffer.from(`the code ${code}`).toString("base64"),
      Buffer.from(code).toString("hex"),
      sha(code).toString("hex").slice(0, 16),
      sha(`${number}${code}`).toString("base64"),
      sha(`ada:${code}`).toString("base64url"),
      createHash("sha1").update(`${code}|${number}`).digest("hex")
    ]
    for (const text of spellings) assert.include([...scan(`x ${text} y`)].join(), `code ${code}`, text)
  })

  it("finds nothing in what is random, masked or a time", () => {
    const random = Array.from({ length: 2000 }, () => {
      const bytes = randomBytes(32)
      return `${bytes.toString("hex")} ${bytes.toString("base64")} ${crypto.randomUUID()}`
    })
    const codes = Array.from({ length: 100 }, (_, index) => ({ code: String(100_000 + index * 7919) }))
    const many = Scan.make({ numbers: [number], codes })
    for (const text of [...random, "+41•••••2233", "2026-11-23T10:20:30.123Z", "2026-11-23 10:20:30.100000+00"]) {
      assert.deepStrictEqual([...many(text)], [])
    }
  })
})

describe("the wire", () => {
  it.live("hears what is said to a server, and in its answers what the caller did not ask for", () =>
    Effect.gen(function*() {
      const [code, guess] = ["604217", "735 180"]
      const said = { phone: number, verificationCode: guess }
      const answers: ReadonlyArray<readonly [status: number, body: object]> = [
        [200, { verificationCode: code }],
        [200, { phone: { phone: number, isVerified: true } }],
        [400, { message: `${number} ${guess}` }],
        [200, { details: { sequence: code } }]
      ]
      let asked = 0
      const server = createServer((_, response) => {
        const [status, body] = answers[asked++]!
        response.writeHead(status, asked === 4 ? { "x-echo": number } : {}).end(JSON.stringify(body))
      })
      yield* Effect.promise(() => new Promise<void>((done) => server.listen(0, "127.0.0.1", done)))
      yield* Effect.addFinalizer(() => Effect.sync(() => server.close().closeAllConnections()))
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v2/users/ada/phone`

      const known = new Known()
      const found: Array<number> = []
      yield* Effect.scoped(Effect.gen(function*() {
        yield* listen(known)
        const headers = { authorization: `Bearer ${"t".repeat(30)}` }
        for (const _ of answers) {
          yield* Effect.promise(() => fetch(url, { method: "POST", headers, body: JSON.stringify(said) }))
          found.push([...Scan.make(known)([...known.answers].join("\n"))].length)
          known.answers.clear()
        }
      }))
      assert.deepStrictEqual(found, [0, 0, 2, 2])
      assert.deepStrictEqual([...known.numbers], [number])
      assert.includeDeepMembers(known.codes, [{ code, userId: "ada", number }, {
        code: "735180",
        userId: "ada",
        number
      }])
      assert.include([...known.texts], "t".repeat(30))
    }))
})

describe("what is printed", () => {
  it.live(plantingTest, () =>
    Effect.gen(function*() {
      const lines = [`SMS to ${Scan.planted.number}: ${Scan.planted.code} is your verification code.`, ...plants]
      const directory = mkdtempSync(join(tmpdir(), "secrets-test-"))
      const script = join(directory, "print.js")
      writeFileSync(script, `for (const line of ${JSON.stringify(lines)}) console.log(line)`)
      const { exited } = startServer(directory, {}, relative(resolve(import.meta.dirname, "../.."), script))
      assert.strictEqual(yield* Effect.promise(() => exited), 0)
      rmSync(directory, { recursive: true })

      const [first, second, ...others] = plants
      console.log(first)
      console.error(second)
      yield* Effect.logWarning(...others)
    }))
})

describe("spans, logs, metrics and errors", () => {
  const key = Buffer.alloc(32, "planted")
  const secrets: ReadonlyArray<string> = [Scan.planted.number, Scan.planted.code, "planted-token", key.toString("hex")]
  const ways: Readonly<
    Record<"spans" | "logs" | "metrics" | "errors", ReadonlyArray<(secret: string) => Effect.Effect<unknown, unknown>>>
  > = {
    spans: [
      (secret) => Effect.withSpan(Effect.void, `span ${secret}`),
      (secret) => Effect.withSpan(Effect.void, "span", { attributes: { secret } }),
      (secret) => Effect.withSpan(Effect.log(secret), "span"),
      (secret) => Effect.exit(Effect.withSpan(Effect.fail(new Error("outer", { cause: new Error(secret) })), "span"))
    ],
    logs: [
      (secret) => Effect.logTrace(secret),
      (secret) => Effect.annotateLogs(Effect.logDebug("log"), { secret }),
      (secret) => Effect.logError("log", Cause.fail(new Error("outer", { cause: new Error(secret) }))),
      (secret) => Effect.log({ nested: { bytes: Buffer.from(secret) } })
    ],
    metrics: [
      (secret) => Metric.update(Metric.counter("planted", { attributes: { secret } }), 1),
      (secret) => Metric.update(Metric.frequency("planted"), secret)
    ],
    errors: [
      (secret) => Effect.fail({ nested: [{ secret }] }),
      (secret) => Effect.die(new Error("outer", { cause: new Error(secret) })),
      (secret) => Effect.succeed({ secret })
    ]
  }

  for (const sink of ["spans", "logs", "metrics", "errors"] as const) {
    it.effect(`are found in ${sink} when they are planted there`, () =>
      Effect.gen(function*() {
        const scan = Scan.make({
          numbers: [Scan.planted.number],
          codes: [{ code: Scan.planted.code }],
          texts: ["planted-token"],
          keys: [key]
        })
        for (const plant of ways[sink]) {
          const { keep, layer, sinks } = Scan.recorder()
          const recorded = yield* Effect.forEach(secrets, (secret) => keep(plant(secret))).pipe(
            Effect.andThen(sinks),
            Effect.provide(layer)
          )
          assert.strictEqual(scan(recorded[sink]).size, secrets.length, String(plant))
        }
      }))
  }
})

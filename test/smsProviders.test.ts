/** What `docs/sms-providers.md` says is what the adapters do. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { FetchHttpClient } from "effect/http"
import { execFile } from "node:child_process"
import { readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { promisify } from "node:util"
import * as AcmeSmsNotifier from "../examples/AcmeSmsNotifier.ts"
import { SmsNotifierContract } from "../src/testing/index.ts"
import * as StandIn from "./fixtures/StandIn.ts"

const root = resolve(import.meta.dirname, "..")
const page = readFileSync(join(root, "docs/sms-providers.md"), "utf8")
const example = join(root, "examples/03-own-sms-provider.ts")

/** The part of the page under a heading. */
const section = (heading: string): string => {
  const [, text] = page.split(`\n## ${heading}\n`)
  assert.isDefined(text, heading)
  return text!.split("\n## ")[0]!
}

const sourceOf = (...files: ReadonlyArray<string>) =>
  files.map((file) => readFileSync(join(root, `src/adapters/${file}.ts`), "utf8")).join("\n")

const isClass = ([, word]: ReadonlyArray<string | undefined>) =>
  /^(Transient|Throttled|Permanent|OptedOut|AccountRefused|DestinationRefused|right|wrong|expired|spent)$/.test(word!)

describe("docs/sms-providers.md", () => {
  for (
    const [heading, ...files] of [
      ["Twilio", "TwilioSmsNotifier", "internal/TwilioApi"],
      ["Vonage", "VonageSmsNotifier"],
      ["Amazon SNS", "SnsSmsNotifier"],
      ["Twilio Verify", "TwilioVerify", "internal/TwilioApi"]
    ] as const
  ) {
    it(`names every code of ${heading} with its class, in the words of the source`, () => {
      const rows = Array.from(
        sourceOf(...files).matchAll(/^ {2}(\w+): "(\w+)",? \/\/ (.*)$/gm),
        ([, ...row]) => row
      ).filter(isClass)
      assert.isAbove(rows.length, 15)
      const told = Array.from(
        section(heading).matchAll(/^\| `(\w+)` +\| `(\w+)` +\| (.*?) *\|$/gm),
        ([, ...row]) => row
      )
      assert.deepStrictEqual(told.filter(isClass), rows)
    })

    it(`names every setting of ${heading}`, () => {
      const settings = Array.from(
        sourceOf(...files).matchAll(/\("([A-Z]+_[A-Z_]+)"\)|, "([A-Z]+_[A-Z_]+)"\n? *\)|^ +"([A-Z]+_[A-Z_]+)"$/gm)
      )
        .map(([, ...names]) => names.find((name) => name !== undefined)!)
      assert.isAbove(settings.length, 3)
      for (const name of settings) assert.include(section(heading), `\`${name}\``)
    })
  }

  it("shows examples/AcmeSmsNotifier.ts as it is, in as many lines as it and the README say", () => {
    const [, code] = /```ts\n([\s\S]*?)```/.exec(section("Write your own"))!
    assert.strictEqual(code, readFileSync(join(root, "examples/AcmeSmsNotifier.ts"), "utf8"))
    const lines = `${code!.trimEnd().split("\n").length} lines`
    assert.include(section("Write your own"), `a layer of ${lines}`)
    assert.include(readFileSync(join(root, "README.md"), "utf8"), `(docs/sms-providers.md#write-your-own) in ${lines}`)
  })
})

const answers: Readonly<Record<SmsNotifierContract.ProviderAnswer, StandIn.Answer>> = {
  accept: { status: 202, headers: { "x-message-id": "acme-1" } },
  throttle: { status: 429 },
  fail: { status: 500 },
  reset: "reset",
  hang: "hang",
  "refuse-number": { status: 422 },
  "opted-out": { status: 422 },
  "refuse-account": { status: 401 }
}

// The provider of the example has no answer of its own for a holder who wants no messages.
SmsNotifierContract.suite(
  "examples/AcmeSmsNotifier.ts",
  Layer.unwrap(Effect.map(StandIn.make(() => answers.accept), (acme) =>
    Layer.merge(
      AcmeSmsNotifier.layer(new URL(acme.url), Redacted.make("token")).pipe(Layer.provide(FetchHttpClient.layer)),
      Layer.succeed(SmsNotifierContract.ScriptedProvider, {
        answer: (answer) => Effect.sync(() => acme.script(answers[answer])),
        received: Effect.sync(() =>
          acme.received.map(({ body }) => {
            const { text, to } = JSON.parse(body)
            return { recipient: to, text }
          })
        )
      })
    ))),
  { without: ["opted-out"] }
)

describe("examples/03-own-sms-provider.ts", () => {
  const run = (url: string) =>
    Effect.map(
      Effect.promise(() =>
        promisify(execFile)(process.execPath, [example], { env: { ...process.env, ACME_URL: url } })
      ),
      ({ stdout }) => stdout
    )

  it.live("hands a message over, and says what refusals come to", () =>
    Effect.gen(function*() {
      const acme = yield* StandIn.make(({ body, headers, method, path }) => {
        assert.deepStrictEqual([method, path, headers.authorization], ["POST", "/messages", "Bearer token"])
        assert.strictEqual(JSON.parse(body).to, "+41791234567")
        return { status: 202, headers: { "x-message-id": "acme-1" } }
      })
      assert.strictEqual(yield* run(acme.url), "Handed over to acme as acme-1\n")
      const answers = { 401: "AccountRefused", 422: "Permanent", 429: "Throttled", 503: "Transient", 307: "Transient" }
      for (const [status, word] of Object.entries(answers)) {
        acme.script({ status: Number(status), headers: { location: acme.url } })
        assert.strictEqual(yield* run(acme.url), `SMS not sent: ${word}\n`)
      }
      assert.strictEqual(acme.received.length, 6)
      assert.strictEqual(yield* run(yield* StandIn.goneUrl), "SMS not sent: Transient\n")
    }), 60_000)
})

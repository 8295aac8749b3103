/** What `docs/sms-providers.md` says is what the adapters do. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { FetchHttpClient } from "effect/http"
import { execFile } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { promisify } from "node:util"
import * as AcmeSmsNotifier from "../examples/AcmeSmsNotifier.ts"
import { SmsNotifierContract } from "../src/testing/index.ts"
import * as StandIn from "./fixtures/StandIn.ts"

const root = resolve(import.meta.dirname, "..")
const page = readFileSync(join(root, "docs/sms-providers.md"), "utf8")
const example = join(root, "examples/03-own-sms-provider.ts")

const sections = page.split("\n## ")

/** The part of the page that begins so. */
const section = (begin: string): string => {
  const text = sections.find((text) => text.startsWith(begin) || text.includes(`\n\n${begin}`))
  assert.isDefined(text, begin)
  return text!
}

const adapters = join(root, "src/adapters")

/** The notifiers that have settings of their own, such as those of a vendor, and the one provider that makes codes itself. */
const configured = readdirSync(adapters).filter((file) =>
  /^(\w+SmsNotifier|TwilioVerify)\.ts$/.test(file) &&
  readFileSync(join(adapters, file), "utf8").includes("export const optionsConfig")
).map((file) => file.slice(0, -".ts".length))

/** The source of an adapter, with what it has from files beside it. */
const sourceOf = (adapter: string): string => {
  const source = readFileSync(join(adapters, `${adapter}.ts`), "utf8")
  const files = new Set(Array.from(source.matchAll(/ from "\.\/(internal\/\w+\.ts)"$/gm), ([, file]) => file!))
  return [source, ...Array.from(files, (file) => readFileSync(join(adapters, file), "utf8"))].join("\n")
}

/** The lines of the tables from a vendor's code to its class. */
const codeLinesOf = (source: string): ReadonlyArray<string> =>
  Array.from(
    source.matchAll(/Record<\w+, (?:Refusal|CheckOutcome)>> = \{\n(.*?)\n\}/gs),
    ([, lines]) => lines!.split("\n")
  ).flat()

const isClass = ([, word]: ReadonlyArray<string | undefined>) =>
  /^(Transient|Throttled|Permanent|OptedOut|AccountRefused|DestinationRefused|right|wrong|expired|spent)$/.test(word!)

/** What the SDK of AWS reads for itself. */
const ofTheSdk: ReadonlySet<string> = new Set(["AWS_ACCESS_KEY_ID"])

describe("docs/sms-providers.md", () => {
  it("is about every adapter for SMS that has settings", () => {
    assert.includeMembers(configured, [
      "TwilioSmsNotifier",
      "VonageSmsNotifier",
      "SnsSmsNotifier",
      "WebhookSmsNotifier"
    ])
    const codes = configured.map((adapter) => codeLinesOf(sourceOf(adapter)).length)
    assert.isAbove(Math.max(...codes), 0)
  })

  for (const adapter of configured) {
    const about = () => section(`\`effect-user-phone/adapters/${adapter}\``)

    it(`names every code of ${adapter} with its class, in the words of the source`, () => {
      const source = sourceOf(adapter)
      const rows = Array.from(source.matchAll(/^ {2}(\w+): "(\w+)",? \/\/ (.*)$/gm), ([, ...row]) => row)
        .filter(isClass)
      assert.strictEqual(rows.length, codeLinesOf(source).length)
      const told = Array.from(about().matchAll(/^\| `(\w+)` +\| `(\w+)` +\| (.*?) *\|$/gm), ([, ...row]) => row)
      assert.deepStrictEqual(told.filter(isClass), rows)
    })

    it(`names every setting of ${adapter}, and no other`, () => {
      const settings = Array.from(sourceOf(adapter).matchAll(/"([A-Z]+(?:_[A-Z]+)+)"/g), ([, name]) => name!)
      const told = Array.from(
        about().matchAll(/^\| (`[A-Z]+_[A-Z_]+`.*?) +\|/gm),
        ([, names]) => Array.from(names!.matchAll(/`(\w+)`/g), ([, name]) => name!)
      ).flat()
      assert.isAbove(settings.length, 0)
      assert.sameMembers(told.filter((name) => !ofTheSdk.has(name)), [...new Set(settings)])
    })
  }

  it("shows examples/AcmeSmsNotifier.ts as it is, in as many lines as it and the README say", () => {
    const [, code] = /```ts\n([\s\S]*?)```/.exec(section("Write your own\n"))!
    assert.strictEqual(code, readFileSync(join(root, "examples/AcmeSmsNotifier.ts"), "utf8"))
    const lines = `${code!.trimEnd().split("\n").length} lines`
    assert.include(section("Write your own\n"), `a layer of ${lines}`)
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

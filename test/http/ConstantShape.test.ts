/**
 * Who may not touch a user learns nothing of it, whatever has become of that user: over real HTTP the same answer to the
 * byte, by the same way, with no look into the store where the caller has no right at all, and one where it has some
 * elsewhere.
 */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { connect } from "node:net"
import { Limits } from "../../src/core/index.ts"
import { UserId } from "../../src/core/UserId.ts"
import { Users } from "../../src/core/Users.ts"
import { type Caller, other, writer } from "../cases/Case.ts"
import {
  first,
  type Hero,
  pass,
  proven,
  resendReturned,
  setReturned,
  setSent,
  setVouched,
  type Step,
  wrong
} from "../cases/Story.ts"
import * as CallLog from "../fixtures/CallLog.ts"
import { authorization, newTarget } from "../fixtures/Calls.ts"
import * as Dump from "../fixtures/Dump.ts"
import * as FrozenClock from "../fixtures/FrozenClock.ts"
import { take } from "../fixtures/StoryTeller.ts"
import * as TestServer from "../fixtures/TestServer.ts"

const tenWrong: ReadonlyArray<Step> = [resendReturned, wrong(5), resendReturned, wrong(5)]

/**
 * What may have become of a user, and what a caller who may touch the user is told of a wrong code. The longest stories
 * come first: codes must still be good when strangers come.
 */
const lives: ReadonlyArray<readonly [name: string, told: string, given: ReadonlyArray<Step>]> = [
  [
    "locked out",
    "VERIFICATION_OFF",
    [setReturned, ...Array.from({ length: 10 }, () => [...tenWrong, pass(24 * 3_600_000)]).flat()]
  ],
  ["without a guess left today", "WRONG_GUESSES_PER_USER", [setReturned, ...tenWrong]],
  ["with a spent code", "CODE_SPENT", [setReturned, wrong(5)]],
  ["without a phone", "NO_CODE", []],
  ["with a code that was returned", "CODE_WRONG", [setReturned]],
  ["with two codes", "CODE_WRONG", [setReturned, resendReturned]],
  ["with a code that was sent, and a wait", "CODE_WRONG", [setSent]],
  ["verified", "NO_CODE", proven],
  ["vouched for", "NO_CODE", [setVouched]]
]

const layerServer = TestServer.layerWith({ limits: Limits.defaults }).pipe(
  Layer.provideMerge(FrozenClock.layer),
  Layer.provideMerge(CallLog.layer)
)

layer(layerServer, { excludeTestServices: true, timeout: "60 seconds" })("a caller", (it) => {
  const everyone = Effect.gen(function*() {
    const users = yield* Users
    const targets: Array<{ readonly target: string; readonly told: string; readonly hero: Hero }> = []
    for (const [target, told, given] of lives) {
      const hero: Hero = { userId: yield* newTarget("active"), codes: [] }
      for (const step of given) yield* take(hero, step)
      targets.push({ target, told, hero })
    }
    const erased: Hero = { userId: yield* newTarget("active"), codes: [] }
    yield* take(erased, setReturned)
    yield* users.remove(UserId.make(erased.userId))
    targets.push({ target: "removed with a code", told: "COMMAND-ieJ2e", hero: erased })
    for (const target of ["unknown", "removed", "machine", "initial"] as const) {
      const hero: Hero = { userId: yield* newTarget(target), codes: [] }
      targets.push({ target, told: target === "initial" ? "COMMAND-uz0Uu" : "COMMAND-ieJ2e", hero })
    }
    return targets
  })

  it.effect("without user.write in the user's organisation is answered the same for every user, and changes none", () =>
    Effect.gen(function*() {
      const targets = yield* everyone
      const before = yield* Dump.take
      for (const { caller, name, refusal, requests, store } of strangers) {
        for (const request of requests) {
          const answers = yield* Effect.forEach(
            targets,
            ({ hero, target }) => Effect.map(ask(hero, caller, request), (answer) => ({ target, ...answer }))
          )
          const [{ calls, text }] = answers as [(typeof answers)[number]]
          for (const answer of answers) {
            const about = `${name}: ${request.name}, ${answer.target}`
            assert.match(answer.text, refusal, about)
            assert.strictEqual(answer.text, text, about)
            assert.deepStrictEqual(answer.calls, calls, about)
          }
          const [, verified, operation, ...rest] = calls
          assert.strictEqual(verified, "span JoseTokenVerifier.verify")
          assert.include(operation, request.name.split(" ")[0])
          assert.deepStrictEqual(rest, store, `${name}: ${request.name}`)
        }
      }
      assert.deepStrictEqual(yield* Dump.take, before)

      // To whom it may concern they do differ.
      for (const { hero, target, told } of targets) {
        assert.include((yield* ask(hero, writer, wrongGuess)).text, told, target)
      }
    }))
})

interface Request {
  readonly name: string
  readonly method: string
  readonly version?: string
  readonly path?: string
  readonly body?: (hero: Hero) => object
  readonly headers?: ReadonlyArray<string>
}

const post = (name: string, path: string, body: (hero: Hero) => object): Request => ({
  name,
  method: "POST",
  path,
  body
})

const wrongGuess = post("VerifyPhone by a wrong code", "/verify", () => ({ verificationCode: "x" }))

const changes: ReadonlyArray<Request> = [
  post("SetPhone", "", () => ({ phone: "+41791112299" })),
  post("SetPhone to the same number", "", () => ({ phone: first })),
  post("SetPhone to what is no number", "", () => ({ phone: "x" })),
  post("SetPhone returning the code", "", () => ({ phone: "+41791112299", returnCode: {} })),
  post("SetPhone vouching", "", () => ({ phone: "+41791112299", isVerified: true })),
  { ...post("SetPhone once", "", () => ({ phone: "+41791112299" })), headers: ["idempotency-key: once"] },
  post("VerifyPhone by the right code", "/verify", ({ codes }) => ({ verificationCode: codes.at(-1) ?? "271828" })),
  post("VerifyPhone by the code before", "/verify", ({ codes }) => ({ verificationCode: codes.at(-2) ?? "271828" })),
  wrongGuess,
  post("ResendPhoneCode", "/resend", () => ({})),
  post("ResendPhoneCode returning the code", "/resend", () => ({ returnCode: {} })),
  { ...post("ResendPhoneCode once", "/resend", () => ({})), headers: ["idempotency-key: once"] },
  { name: "RemovePhone", method: "DELETE" }
]
const older = changes.map((change) => ({ ...change, version: "v2beta" }))
const unlock = post("UnlockPhoneVerification", "/unlock", () => ({}))
const getPhone: Request = { name: "GetPhone", method: "GET" }

const denied = /^HTTP\/1\.1 403 .*"No matching permissions found \(AUTH-AWfge\)"/s
const notFound = /^HTTP\/1\.1 404 .*"Phone not found \(COMMAND-ieJ2e\)"/s

const oneLoad = ["span PgUserStore.load", "span postgres"]

/** Callers who may not, for what, how they are refused, and what follows the operation on the way there. */
const strangers: ReadonlyArray<{
  readonly name: string
  readonly caller: Caller
  readonly requests: ReadonlyArray<Request>
  readonly refusal: RegExp
  readonly store: ReadonlyArray<string>
}> = [
  { name: "no grants", caller: other, requests: [...changes, ...older, unlock, getPhone], refusal: denied, store: [] },
  {
    name: "user.read",
    caller: { ...other, reads: "target's organisation" },
    requests: [...changes, unlock],
    refusal: denied,
    store: []
  },
  {
    name: "user.write elsewhere",
    caller: { ...other, writes: "another organisation" },
    requests: [...changes, ...older, unlock, getPhone],
    refusal: notFound,
    store: oneLoad
  },
  {
    name: "user.read elsewhere",
    caller: { ...other, reads: "another organisation" },
    requests: [getPhone],
    refusal: notFound,
    store: oneLoad
  }
]

/** All that comes back on a connection of its own but the date, and what was called for it. */
const ask = Effect.fnUntraced(function*(hero: Hero, caller: Caller, request: Request) {
  const { body, headers = [], method, path = "", version = "v2" } = request
  const url = new URL((yield* TestServer.TestServer).url)
  const json = body === undefined ? "" : JSON.stringify(body(hero))
  const head = [
    `${method} /${version}/users/${hero.userId}/phone${path} HTTP/1.1`,
    `host: ${url.host}`,
    "connection: close",
    `authorization: ${yield* authorization(caller, hero.userId)}`,
    ...(body === undefined ? [] : ["content-type: application/json", `content-length: ${Buffer.byteLength(json)}`]),
    ...headers
  ]
  const { during } = yield* CallLog.CallLog
  const { calls, result } = yield* during(Effect.callback<string>((resume) => {
    const socket = connect(Number(url.port), url.hostname)
    let text = ""
    socket.setEncoding("latin1").on("data", (data) => (text += data)).on("end", () => resume(Effect.succeed(text)))
    socket.write(`${head.join("\r\n")}\r\n\r\n${json}`)
  }))
  return { calls, text: result.replace(/^date: .*\r\n/im, "") }
})

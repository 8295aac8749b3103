/**
 * A dump is useless: whoever has every table and no key finds no code that is good, nor a number outside of two columns.
 * Each search first finds what is planted among the rows that the real operations have left.
 */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { createHash, createHmac, hkdfSync, randomBytes } from "node:crypto"
import { Limits, type UserId, Users, UserStore } from "../../src/core/index.ts"
import * as Dump from "../fixtures/Dump.ts"
import * as FrozenClock from "../fixtures/FrozenClock.ts"
import * as Instance from "../fixtures/Instance.ts"
import * as Postgres from "../fixtures/Postgres.ts"
import * as Scan from "../fixtures/SecretScan.ts"

/** The dump of a deployment at work, its users, and another dump in which codes are planted. */
class Theft extends Context.Service<Theft, {
  readonly dump: Dump.Dump
  readonly subjects: ReadonlyArray<Subject>
  readonly planted: Dump.Dump
  readonly victims: ReadonlyArray<Dump.MadeCode>
  /** What has to be found there, and of that what can be found from six digits alone. */
  readonly plants: ReadonlyArray<string>
  readonly bare: ReadonlyArray<string>
}>()("test/Theft") {}

const layerTheft = Layer.effect(
  Theft,
  Effect.gen(function*() {
    const digits = yield* Instance.make({ keys, limits: Limits.defaults })
    const zitadel = yield* Instance.make({ keys, limits: Limits.defaults, preset: "zitadel" })
    const subjects = yield* work(digits, zitadel)
    const dump = yield* Dump.take
    const theft = { dump, subjects, ...(yield* plant(digits)), planted: yield* Dump.take }
    // What was queued when the dump was taken tells its codes only now.
    yield* Effect.repeat(digits.deliverDue, { while: (count) => count > 0 })
    for (const { codes, number } of subjects) codes.push(...yield* digits.sentTo(number))
    return theft
  })
)

layer(layerTheft.pipe(Layer.provideMerge(Postgres.layerStores), Layer.provideMerge(FrozenClock.layer)), {
  excludeTestServices: true,
  timeout: "60 seconds"
})("a dump of all tables", (it) => {
  it.effect("gives away every code that is planted in it, and no other", () =>
    Effect.gen(function*() {
      const { planted, plants, subjects, victims } = yield* Theft
      assert.isAbove(plants.length, 15)
      assert.sameMembers([...Dump.findCodes(planted, [...codesOf(subjects), ...victims])], [...plants])
    }))

  it.effect("gives away no code, as it is or hashed with what stands beside it", () =>
    Effect.gen(function*() {
      const { dump, subjects } = yield* Theft
      const codes = codesOf(subjects)
      assert.isAbove(codes.length, 20)
      assert.deepStrictEqual([...Dump.findCodes(dump, codes)], [])
      assert.deepStrictEqual([...Scan.make({ codes })(Dump.copyText(dump))], [])
    }))

  it.effect("gives away the planted hashes of six digits, and no other, to who tries them all", () =>
    Effect.gen(function*() {
      const { bare, planted } = yield* Theft
      assert.isAbove(bare.length, 2)
      assert.sameMembers([...Dump.tryAllDigits(planted, ["md5", "sha1", "sha256"])], [...bare])
    }))

  it.effect("has numbers in two columns, and keys in none", () =>
    Effect.gen(function*() {
      const { dump, subjects } = yield* Theft
      const scan = Scan.make({
        numbers: subjects.map(({ number }) => number),
        keys: [keys.fingerprintKey, ...keys.codeKeys.map(({ bytes }) => bytes)].map(Redacted.value)
      })
      const columns = new Set<string>()
      for (const { cells, table } of dump) {
        for (const { column, text } of cells) {
          for (const find of scan(text ?? "")) columns.add(`${table}.${column}: ${find}`)
        }
      }
      for (const { number } of subjects) assert.include([...columns], `user_phone.events.phone: number ${number}`)
      assert.include([...columns].join(), "user_phone.users.phone: number")
      assert.deepStrictEqual(
        [...columns].filter((find) => !/^user_phone\.(users|events)\.phone: number /.test(find)),
        []
      )
    }))

  it.effect("has rows of every table, and messages that are queued and that were sent", () =>
    Effect.gen(function*() {
      const { dump } = yield* Theft
      const tables = (yield* Scan.columns).map(({ schema, table }) => `${schema}.${table}`)
      assert.sameMembers([...new Set(dump.map(({ table }) => table))], [...new Set(tables)])
      const messages = dump.filter(({ table }) => table === "user_phone.outbox")
      const sealed = messages.map(({ cells }) => cells.find(({ column }) => column === "sealed")!.text !== null)
      assert.includeMembers(sealed, [true, false])
    }))

  it.effect("was taken while there were codes to be used, with which users then verify", () =>
    Effect.gen(function*() {
      const { subjects } = yield* Theft
      assert.isAbove(subjects.filter(({ uses }) => uses !== "none").length, 15)
      for (const { codes, instance, name, userId, uses } of subjects) {
        assert.isNotEmpty(codes, name)
        if (uses !== "none") yield* instance.verify(userId, codes.at(uses === "first" ? 0 : -1)!)
        else for (const code of codes) yield* Effect.flip(instance.verify(userId, code))
      }
    }))
})

const key = () => Redacted.make(Uint8Array.from(randomBytes(32)))
const keys = { codeKeys: [{ id: "k1", bytes: key() }, { id: "k2", bytes: key() }], fingerprintKey: key() } as const

interface Subject {
  readonly name: string
  readonly instance: Instance.Instance
  readonly userId: UserId.UserId
  readonly number: string
  /** Oldest first; those that were sent come when they are delivered. */
  readonly codes: Array<string>
  /** The code that is good to the end, of several the one to be used. */
  readonly uses: "first" | "last" | "none"
}

const codesOf = (subjects: ReadonlyArray<Subject>): ReadonlyArray<Dump.MadeCode> =>
  subjects.flatMap(({ codes, number, userId }) => codes.map((code) => ({ code, number, userId })))

/** Everything that users may do that has, or had, a code, with the codes of two instances. */
const work = Effect.fnUntraced(function*(...instances: ReadonlyArray<Instance.Instance>) {
  const subjects: Array<Subject> = []
  const asked = (how: "SendCode" | "ReturnCode") => ({
    verification: { _tag: how },
    idempotencyKey: crypto.randomUUID()
  })
  const keep = (
    { codes }: Subject,
    { verificationCode }: { readonly verificationCode?: Redacted.Redacted | undefined }
  ) => {
    if (verificationCode !== undefined) codes.push(Redacted.value(verificationCode))
  }
  const set = Effect.fnUntraced(
    function*(instance: Instance.Instance, name: string, how: "SendCode" | "ReturnCode", uses: Subject["uses"]) {
      const subject: Subject = { name, instance, ...(yield* Instance.newUser), codes: [], uses }
      keep(subject, yield* instance.setPhone(subject.userId, subject.number, asked(how)))
      subjects.push(subject)
      return subject
    }
  )
  const resend = Effect.fnUntraced(function*(subject: Subject, how: "SendCode" | "ReturnCode") {
    keep(subject, yield* subject.instance.resend(subject.userId, asked(how)))
  })

  const resent: Array<Subject> = []
  const gone: Array<Subject> = []
  for (const instance of instances) {
    yield* set(instance, "sent and delivered", "SendCode", "last")
    resent.push(yield* set(instance, "resent, to use the former", "SendCode", "first"))
    resent.push(yield* set(instance, "resent, to use the latter", "SendCode", "last"))
    gone.push(yield* set(instance, "without the number again", "SendCode", "none"))
  }
  yield* Effect.repeat(instances[0]!.deliverDue, { while: (count) => count > 0 })
  yield* FrozenClock.FrozenClock.use(({ pass }) => pass(40_000))
  for (const subject of resent) yield* resend(subject, "SendCode")
  for (const { instance, userId } of gone) yield* instance.remove(userId)

  for (const instance of instances) {
    yield* set(instance, "sent and queued", "SendCode", "last")
    yield* set(instance, "returned", "ReturnCode", "last")
    yield* resend(yield* set(instance, "returned twice, to use the former", "ReturnCode", "first"), "ReturnCode")
    yield* resend(yield* set(instance, "returned twice, to use the latter", "ReturnCode", "last"), "ReturnCode")
    const guessed = yield* set(instance, "guessed wrong", "ReturnCode", "last")
    yield* Effect.flip(instance.verify(guessed.userId, Instance.wrongOf(guessed.codes[0]!)))
    const former = yield* set(instance, "of a number that was replaced", "ReturnCode", "none")
    const { number } = yield* Instance.newUser
    const latter: Subject = { ...former, name: "of the number that replaced it", number, codes: [], uses: "last" }
    keep(latter, yield* instance.setPhone(latter.userId, number, asked("ReturnCode")))
    subjects.push(latter)

    const verified = yield* set(instance, "verified", "ReturnCode", "none")
    yield* instance.verify(verified.userId, verified.codes[0]!)
    const erased = yield* set(instance, "erased", "ReturnCode", "none")
    yield* Effect.orDie(Users.Users.use((users) => users.remove(erased.userId)))
  }
  return subjects
})

interface Victim extends Dump.MadeCode {
  readonly codeId: string
}

const digest = (algorithm: string, data: string | Uint8Array) => createHash(algorithm).update(data).digest()
const hmac = (secret: string | Uint8Array, data: string | Uint8Array) =>
  createHmac("sha256", secret).update(data).digest()

/** The columns that something is planted in, with the statement that puts a text there. */
const places = {
  "users.pending": (sql: SqlClient.SqlClient, { userId }: Victim, text: string) =>
    sql`UPDATE user_phone.users SET pending = jsonb_set(pending, '{current,digest}', to_jsonb(${text}::text))
      WHERE user_id = ${userId}`,
  "events.data": (sql: SqlClient.SqlClient, { userId }: Victim, text: string) =>
    sql`UPDATE user_phone.events SET data = data || jsonb_build_object('more', ${text}::text) WHERE user_id = ${userId}`,
  "outbox.reason": (sql: SqlClient.SqlClient, { userId }: Victim, text: string) =>
    sql`INSERT INTO user_phone.outbox (message_id, user_id, kind, key_id, created_at, expires_at, due_at, status, reason)
      VALUES (gen_random_uuid(), ${userId}, 'code', 'k1', now(), now(), now(), 'dead', ${text})`,
  "outbox.lease_token": (sql: SqlClient.SqlClient, { userId }: Victim, text: string) =>
    sql`INSERT INTO user_phone.outbox (message_id, user_id, kind, key_id, created_at, expires_at, due_at, status, lease_token)
      VALUES (gen_random_uuid(), ${userId}, 'code', 'k1', now(), now(), now(), 'sent', ${text}::uuid)`,
  "outbox.sealed": (sql: SqlClient.SqlClient, { userId }: Victim, text: string) =>
    sql`INSERT INTO user_phone.outbox (message_id, user_id, kind, key_id, created_at, expires_at, due_at, sealed)
      VALUES (gen_random_uuid(), ${userId}, 'code', 'k1', now(), now(), 'infinity', decode(${text}, 'hex'))`,
  "counters.counter": (sql: SqlClient.SqlClient, _: Victim, text: string) =>
    sql`INSERT INTO user_phone.counters (counter, times, kept_until) VALUES (${`codes/${text}`}, '{}', now())`,
  "answers.request": (sql: SqlClient.SqlClient, _: Victim, text: string) =>
    sql`INSERT INTO user_phone.answers (scope, request, sequence, change_date, resource_owner, kept_until)
      VALUES (gen_random_uuid()::text, ${text}, 1, now(), 'acme', now())`
}

/** How a victim's code is found, the column in which it stands, and the text that stands there. */
type Plant = readonly [how: string, where: keyof typeof places, text: string]

/** Hashed alone, so that no more than six digits have to be tried. */
const barePlants = ({ code }: Victim): ReadonlyArray<Plant> => [
  ["md5 of", "outbox.lease_token", digest("md5", code).toString("hex")],
  ["sha1 of", "counters.counter", digest("sha1", code).toString("hex")],
  ["sha256 of", "users.pending", digest("sha256", code).toString("base64url")],
  ["sha256 of", "outbox.sealed", `${randomBytes(12).toString("hex")}${digest("sha256", code).toString("hex")}`]
]

const otherPlants = (victim: Victim): ReadonlyArray<Plant> => {
  const { code, codeId, number, userId } = victim
  const signed = Dump.signedBytes("k1", codeId, victim)
  const body = JSON.stringify({ kind: "code", recipient: "", code })
  return [
    ["plain", "users.pending", code],
    ["plain", "counters.counter", `user/${code}`],
    ["plain", "events.data", Buffer.from(body).toString("base64")],
    ["plain", "answers.request", Buffer.from(body).toString("base64url")],
    ["plain", "outbox.reason", Buffer.from(`failed: ${code} is your code`).toString("hex")],
    ["plain", "outbox.sealed", Buffer.from(body).toString("hex")],
    ["sha256 twice of", "users.pending", digest("sha256", digest("sha256", code)).toString("base64")],
    [`sha256 with ${userId} of`, "users.pending", digest("sha256", code + userId).toString("base64url")],
    [`sha512 with ${number} of`, "answers.request", digest("sha512", `${number}|${code}`).toString("base64")],
    [`sha224 with ${codeId} of`, "events.data", digest("sha224", `${code}:${codeId}`).toString("hex")],
    ["sha384 with k1 of", "users.pending", digest("sha384", `k1.${code}`).toString("base64url")],
    [
      `md5 with ${userId} and ${number} of`,
      "outbox.reason",
      digest("md5", `${userId}/${number}/${code}`).toString("hex")
    ],
    [`sha256 keyed by ${userId} of`, "users.pending", hmac(userId, code).toString("base64url")],
    ["sha256 keyed by k1 of", "users.pending", hmac("k1", code).toString("base64url").slice(0, 22)],
    [`sha256 keying ${number} of`, "users.pending", hmac(code, number).toString("base64url")],
    ["sha256 in the vault's layout of", "users.pending", digest("sha256", signed).toString("base64url")],
    ["the vault's digest with a known key of", "users.pending", hmac(userId, signed).toString("base64url")],
    [
      "the vault's digest with a known key of",
      "users.pending",
      hmac(Buffer.from(hkdfSync("sha256", "k1", "effect-user-phone", "digest", 32)), signed).toString("base64url")
    ]
  ]
}

/** Plants everything, with a victim each whose code is good. */
const plant = Effect.fnUntraced(function*(instance: Instance.Instance) {
  const sql = yield* SqlClient.SqlClient
  const store = yield* UserStore.UserStore
  const victims: Array<Victim> = []
  const plantAll = Effect.fnUntraced(function*(plantsOf: (victim: Victim) => ReadonlyArray<Plant>) {
    const expected: Array<string> = []
    for (let index = 0; index < plantsOf({ code: "", codeId: "", number: "", userId: "" }).length; index++) {
      const { number, userId } = yield* Instance.newUser
      const { verificationCode } = yield* instance.setPhone(userId, number)
      const { pending } = (yield* store.load(userId))!
      const codeId = pending?._tag === "OwnCode" ? pending.current.codeId : ""
      const victim: Victim = { userId, number, codeId, code: Redacted.value(verificationCode!) }
      const [how, where, text] = plantsOf(victim)[index]!
      yield* places[where](sql, victim, text)
      victims.push(victim)
      expected.push(`user_phone.${where}: ${how} code ${victim.code}`)
    }
    return expected
  })
  const bare = yield* plantAll(barePlants)
  return { victims, bare, plants: [...bare, ...yield* plantAll(otherPlants)] }
})

/**
 * What a sequence leaves behind, as the model has it and as the system has it: each user's log, state and queued messages,
 * in the same words. A code is the place at which it was made in its user's log, or over all users in `Issued`.
 */
import { Context, DateTime, Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import * as MemoryOutbox from "../../src/adapters/MemoryOutbox.ts"
import * as MemoryTables from "../../src/adapters/MemoryTables.ts"
import * as MemoryUsers from "../../src/adapters/MemoryUsers.ts"
import * as MemoryUserStore from "../../src/adapters/MemoryUserStore.ts"
import { CodeVault, UserId, type UserPhone, UserStore } from "../../src/core/index.ts"
import type { OutboxMessage } from "../../src/core/Outbox.ts"
import * as Postgres from "../fixtures/Postgres.ts"
import {
  type Code,
  codesOf,
  type Fact,
  type History,
  missesOf,
  noticesOf,
  pendingOf,
  phoneOf,
  provenOf,
  resendsOf,
  rowOf,
  sentOf,
  standingOf,
  wrongTimesOf
} from "./Histories.ts"
import type { People } from "./People.ts"
import { type Names, plain } from "./Perform.ts"
import { noticesLast } from "./Rules.ts"
import { Issued } from "./System.ts"

/** The messages of a user that are queued, oldest first. */
export class Queue extends Context.Service<Queue, {
  readonly of: (userId: string) => Effect.Effect<ReadonlyArray<Omit<OutboxMessage, "userId">>>
}>()("test/model/Queue") {}

/** Stores of their own, in memory. */
export const layerMemory = Layer.mergeAll(
  MemoryUserStore.layer,
  MemoryUsers.layer,
  MemoryOutbox.layer,
  Layer.effect(
    Queue,
    Effect.map(MemoryTables.MemoryTables, ({ outbox }) => ({
      of: (userId) =>
        Effect.sync(() =>
          Array.from(outbox.values()).filter(({ message, state }) => state === "queued" && message.userId === userId)
            .map(
              ({ message }) => message
            )
        )
    }))
  )
).pipe(Layer.provide(Layer.fresh(MemoryTables.layer)))

/** The stores on a database of their own. */
export const layerPostgres = Layer.effect(
  Queue,
  Effect.map(SqlClient.SqlClient, (sql) => ({
    of: (userId) =>
      Effect.orDie(sql<Record<string, any>>`SELECT * FROM user_phone.outbox
        WHERE user_id = ${userId} AND status = 'queued'`).pipe(
        Effect.map((rows) =>
          rows.map((row) => ({
            messageId: row["message_id"],
            kind: row["kind"],
            route: row["route"],
            codeId: row["code_id"],
            keyId: row["key_id"],
            sealed: row["sealed"],
            createdAt: DateTime.fromDateUnsafe(row["created_at"]),
            expiresAt: DateTime.fromDateUnsafe(row["expires_at"]),
            resends: row["resends"]
          }))
        )
      )
  }))
).pipe(Layer.provideMerge(Postgres.layerStores))

export interface View {
  readonly log: ReadonlyArray<object>
  readonly state: object | undefined
  readonly queued: ReadonlyArray<object>
}

/** As the model has it. `placeOf` is where a code is in `Issued`. */
export const ofModel = (people: People, user: number, placeOf: ReadonlyMap<Code, number>): View => {
  const known = people.get(user)
  if (known === undefined) return { log: [], state: undefined, queued: [] }
  const { history, organization, removed, ...person } = known
  const codes = codesOf(history)
  const pending = pendingOf(history)
  const phone = phoneOf(history)
  return {
    log: history.map((fact, index) => ({ sequence: index + 1, at: fact.at, ...eventOf(fact, history) })),
    state: removed ? undefined : {
      ...person,
      resourceOwner: organization,
      sequence: history.length,
      changeDate: history.at(-1)?.at,
      phone,
      pending: pending && pendingWith(history, pending, missesOf(history)),
      proven: provenAs(history),
      guesses: { wrongInARow: rowOf(history), wrongAt: wrongTimesOf(history).toReversed().slice(0, 100) },
      wait: waitOf(sentOf(history).at(-1))
    },
    queued: removed ? [] : [
      ...sentOf(history).map((code) => ({
        kind: "code",
        route: "sms",
        codeId: codes.indexOf(code),
        recipient: code.number,
        code: placeOf.get(code),
        createdAt: code.made,
        expiresAt: code.expires,
        resends: resendsOf(history, code)
      })),
      ...noticesOf(history).map(({ at, change, number }) => ({
        kind: "notice",
        route: "sms",
        codeId: -1,
        recipient: number,
        change,
        createdAt: at,
        expiresAt: at + noticesLast,
        resends: 0
      }))
    ].toSorted(byCode)
  }
}

const waitOf = (code: Code | undefined) => code?.wait && { ...code.wait, sentAt: code.made }

/** Messages of one moment have no order. */
const byCode = (a: { readonly codeId: number; readonly createdAt: number }, b: typeof a): number =>
  a.codeId - b.codeId || a.createdAt - b.createdAt || JSON.stringify(told(a)).localeCompare(JSON.stringify(told(b)))

const told = (message: object): object => Object.fromEntries(Object.entries(message).toSorted())

const provenAs = (history: History) => {
  const number = provenOf(history)
  return number === undefined ? undefined : { number, bySms: standingOf(history, number) === "holders" }
}

const pendingWith = (history: History, code: Code, wrongGuesses: number) => {
  const codes = codesOf(history)
  const record = (one: Code, expiresAt: number) => ({
    codeId: codes.indexOf(one),
    number: one.number,
    sent: one.sent,
    createdAt: one.made,
    expiresAt
  })
  return {
    _tag: "OwnCode",
    current: record(code, code.expires),
    previous: code.older && record(code.older.code, code.older.until),
    resends: resendsOf(history, code),
    wrongGuesses
  }
}

const eventOf = (fact: Fact, history: History): object => {
  const codes = codesOf(history)
  switch (fact.fact) {
    case "changed":
      return { type: "user.human.phone.changed", number: fact.number }
    case "removed":
      return { type: "user.human.phone.removed" }
    case "verified":
      return {
        type: "user.human.phone.verified",
        proven: { number: fact.number, bySms: fact.bySms },
        vouched: fact.vouched
      }
    case "failed":
      return { type: "user.human.phone.verification.failed", codeId: codes.indexOf(fact.compared[0]!) }
    case "unlocked":
      return { type: "user.human.phone.verification.unlocked" }
    case "coded": {
      const { code } = fact
      return { type: "user.human.phone.code.added", pending: pendingWith(history, code, 0), wait: waitOf(code) }
    }
  }
}

/** As the system has it. */
export const ofSystem = Effect.fnUntraced(function*(user: number, { numbers, start, userIds }: Names) {
  const userId = UserId.UserId.make(userIds[user]!)
  const store = yield* UserStore.UserStore
  const vault = yield* CodeVault.CodeVault
  const issued = yield* Issued
  const events = yield* store.history(userId)
  const codeIds = events.flatMap(({ change }) =>
    change.type === "user.human.phone.code.added" && change.pending._tag === "OwnCode"
      ? [change.pending.current.codeId]
      : []
  )
  const fingerprints = yield* Effect.forEach(numbers, (number) => vault.fingerprint("number", [number]))
  const placeOf = (number: unknown) =>
    Redacted.isRedacted(number) ? numbers.indexOf(String(Redacted.value(number))) : fingerprints.indexOf(String(number))

  const provenIn = (proven: string) => {
    const [, vouched, fingerprint] = /^(vouched\/)?(.*)$/.exec(proven)!
    return { number: placeOf(fingerprint), bySms: vouched === undefined }
  }

  /** The same with places for what has them. */
  const placed = (fields: object): object =>
    Object.fromEntries(
      Object.entries(fields).filter(([name]) => !["digest", "keyId", "userId"].includes(name)).map(([name, value]) => {
        if (name === "codeId") return [name, codeIds.indexOf(value)]
        if (name === "proven" && value !== undefined) return [name, provenIn(String(value))]
        if (value !== undefined && ["number", "recipient"].includes(name)) return [name, placeOf(value)]
        const isPlain = typeof value === "object" && value !== null && !Array.isArray(value)
        return [name, isPlain ? placed(value) : value]
      })
    )

  const state: UserPhone.UserPhone | undefined = yield* store.load(userId)
  const messages = yield* (yield* Queue).of(userId)
  const queued = yield* Effect.forEach(
    messages,
    Effect.fnUntraced(function*({ sealed, ...message }) {
      const { codeId, createdAt, expiresAt, kind, messageId, resends, route } = message
      const body = yield* vault.open({ ...message, sealed }, { messageId, userId, codeId })
      const said = body.kind === "code"
        ? { code: issued.indexOf(Redacted.value(body.code!)) }
        : { change: body.change }
      const queued = { kind, route, codeId, recipient: body.recipient, ...said, createdAt, expiresAt, resends }
      return placed(plain(queued, start)) as { readonly codeId: number; readonly createdAt: number }
    })
  )
  const view: View = {
    log: events.map(({ at, change, sequence }) => placed(plain({ sequence, at, ...change }, start))),
    state: state && placed(plain(state, start)),
    queued: queued.toSorted(byCode)
  }
  return view
})

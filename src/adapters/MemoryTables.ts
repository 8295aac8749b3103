/**
 * What the in-memory adapters share: the tables that PostgreSQL would hold, gone when the process ends.
 *
 * JavaScript runs one thing at a time, so a synchronous change of these tables is one atomic step.
 */
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import type { OutboxMessage } from "../core/Outbox.ts"
import type { Receipt } from "../core/SmsNotifier.ts"
import type { UserId } from "../core/UserId.ts"
import { evolve, nextEvent, type PhoneChange, type UserPhone, type UserPhoneEvent } from "../core/UserPhone.ts"
import type { RecordedAnswer } from "../core/UserStore.ts"

/**
 * A user with its log. The row of a removed user stays, so that its id is not given out again.
 *
 * @category models
 * @since 0.1.0
 */
export interface UserRow {
  state: UserPhone
  removed: boolean
  readonly events: Array<UserPhoneEvent>
}

/**
 * A message, without its sealed body once it is settled for good.
 *
 * @category models
 * @since 0.1.0
 */
export interface MessageRow {
  message: OutboxMessage
  state: "queued" | "sent" | "dead" | "dropped"
  /** What a provider reported about it. */
  receipt: Receipt | undefined
  reason: string | undefined
  attempts: number
  dueAt: DateTime.Utc
  lease: { readonly token: string; readonly until: DateTime.Utc } | undefined
}

/**
 * The tables that the stores in memory share.
 *
 * @category services
 * @since 0.1.0
 */
export class MemoryTables extends Context.Service<MemoryTables, {
  readonly users: Map<UserId, UserRow>
  /** By message id, in the order of arrival. */
  readonly outbox: Map<string, MessageRow>
  /** Gets a signal for every message that comes. */
  readonly arrivals: PubSub.PubSub<void>
  /**
   * The times of each counter's latest charges, latest first; the counters are in the order in which they were charged.
   */
  readonly counters: Map<string, { readonly times: ReadonlyArray<DateTime.Utc>; readonly keptUntil: DateTime.Utc }>
  /** By idempotency scope, in the order in which they were given. */
  readonly answers: Map<string, { readonly answer: RecordedAnswer; readonly keptUntil: DateTime.Utc }>
}>()("effect-user-phone/adapters/MemoryTables") {}

/**
 * One set of tables for all the in-memory layers that are built together.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<MemoryTables> = Layer.effect(
  MemoryTables,
  Effect.map(PubSub.sliding<void>(1), (arrivals) => ({
    users: new Map(),
    outbox: new Map(),
    arrivals,
    counters: new Map(),
    answers: new Map()
  }))
)

/** Appends a change that nobody can race against to a user's log. */
export const append = (row: UserRow, change: PhoneChange, now: DateTime.Utc): void => {
  const event = nextEvent(row.state, change, now)
  row.events.push(event)
  row.state = evolve(row.state, event)
}

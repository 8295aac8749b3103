/**
 * How a user and its events are written in rows. A number is in clear text only in the columns `users.phone` and
 * `events.phone`.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Window } from "../../core/Counters.ts"
import { Guesses } from "../../core/Guesses.ts"
import { PendingCode } from "../../core/PendingCode.ts"
import { PhoneNumber } from "../../core/PhoneNumber.ts"
import type { OrganizationId, UserId } from "../../core/UserId.ts"
import { PhoneChange, SendWait, type UserPhone, type UserPhoneEvent } from "../../core/UserPhone.ts"

/** The columns of `users` that make up the aggregate, in the order of `UserRow`. */
export const userColumns =
  "user_id, resource_owner, kind, state, language, sequence, change_date, phone, phone_verified, pending, proven, guesses, wait"

/**
 * A row of `user_phone.users`, as the client reads it. It is trusted to be what the types and checks of its columns
 * ensure.
 */
export interface UserRow {
  readonly user_id: UserId
  readonly resource_owner: OrganizationId
  readonly kind: "human" | "machine"
  readonly state: "initial" | "active"
  readonly language: string | null
  readonly sequence: bigint
  readonly change_date: Date | null
  readonly phone: string | null
  readonly phone_verified: boolean
  readonly pending: unknown
  readonly proven: string | null
  readonly guesses: unknown
  readonly wait: unknown
}

const decodePhone = Schema.decodeUnknownExit(PhoneNumber)
const decodePending = Schema.decodeUnknownExit(Schema.toCodecJson(PendingCode))
const decodeGuesses = Schema.decodeUnknownExit(Schema.toCodecJson(Guesses))
const decodeWait = Schema.decodeUnknownExit(Schema.toCodecJson(SendWait))

/** The aggregate of a row. */
export const userOf = Effect.fnUntracedEager(function*(row: UserRow) {
  const user: UserPhone = {
    userId: row.user_id,
    resourceOwner: row.resource_owner,
    kind: row.kind,
    state: row.state,
    language: row.language ?? undefined,
    sequence: row.sequence,
    changeDate: row.change_date === null ? undefined : DateTime.fromDateUnsafe(row.change_date),
    phone: row.phone === null ? undefined : { number: yield* decodePhone(row.phone), verified: row.phone_verified },
    pending: row.pending === null ? undefined : yield* decodePending(row.pending),
    proven: row.proven ?? undefined,
    guesses: yield* decodeGuesses(row.guesses),
    wait: row.wait === null ? undefined : yield* decodeWait(row.wait)
  }
  return user
})

/** A row of `user_phone.events`. */
export const EventRow = Schema.Struct({
  sequence: Schema.BigInt,
  type: Schema.String,
  at: Schema.DateTimeUtcFromDate,
  phone: Schema.NullOr(Schema.String),
  data: Schema.Record(Schema.String, Schema.Unknown)
})

const ChangeJson = Schema.toCodecJson(PhoneChange)
const decodeChange = Schema.decodeUnknownEffect(ChangeJson)
const encodeChange = Schema.encodeSync(ChangeJson)

/** How parts of a user's state are written. */
export const pendingJson = Schema.encodeSync(Schema.toCodecJson(PendingCode))
export const guessesJson = Schema.encodeSync(Schema.toCodecJson(Guesses))
export const waitJson = Schema.encodeSync(Schema.toCodecJson(SendWait))

/** The windows of a charge, with their lengths in milliseconds. */
export const windowsJson = (windows: ReadonlyArray<Window>) =>
  windows.map(({ max, within }) => ({ max, within: Duration.toMillis(within) }))

/** The event of a row. */
export const eventOf = Effect.fnUntraced(function*(row: typeof EventRow.Type) {
  const number = row.phone === null ? {} : { number: row.phone }
  const event: UserPhoneEvent = {
    sequence: row.sequence,
    at: row.at,
    change: yield* decodeChange({ type: row.type, ...row.data, ...number })
  }
  return event
})

/**
 * What is written of an event besides its type and number. For an added code, the pending code is left out unless
 * `pending` asks for it.
 */
export const eventJson = (change: PhoneChange, { pending }: { readonly pending: boolean }): object => {
  if (change.type === "user.human.phone.code.added" && !pending) {
    return change.wait === undefined ? {} : { wait: waitJson(change.wait) }
  }
  const { number: _number, type: _type, ...data } = encodeChange(change) as {
    readonly type: string
    readonly number?: string
  }
  return data
}

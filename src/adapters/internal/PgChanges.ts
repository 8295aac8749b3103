/**
 * Commits in the form that `commit_changes` takes: a row for each change, and rows for what is written with it, which
 * name the change by its place in the batch, from 1.
 */
import * as DateTime from "effect/DateTime"
import * as Redacted from "effect/Redacted"
import { type Charge, longest, remembered } from "../../core/Counters.ts"
import type { OutboxMessage } from "../../core/Outbox.ts"
import type { UserPhoneEvent } from "../../core/UserPhone.ts"
import type { Commit, IdempotentRequest } from "../../core/UserStore.ts"
import { type Column, type Columns, parametersOf } from "./PgColumns.ts"
import { eventJson, guessesJson, pendingJson, waitJson, windowsJson } from "./PgRows.ts"

/** A part of the change at this place. */
interface PartOf<A> {
  readonly place: number
  readonly change: Commit
  readonly part: A
}

const place: Column<PartOf<unknown>> = { type: "integer", of: ({ place }) => place }

const time = (at: DateTime.Utc | undefined) => at?.epochMilliseconds

/** What the user has to be before the change, and is after it. */
const change: Columns<Commit> = {
  user_id: { type: "text", of: ({ before }) => before.userId },
  before_sequence: { type: "bigint", of: ({ before }) => before.sequence },
  resource_owner: { type: "text", of: ({ before }) => before.resourceOwner },
  state: { type: "text", of: ({ before }) => before.state },
  sequence: { type: "bigint", of: ({ events }) => events[events.length - 1]!.sequence },
  at: { type: "timestamptz", of: ({ events }) => time(events[events.length - 1]!.at) },
  phone: { type: "text", of: ({ after: { phone } }) => phone && Redacted.value(phone.number) },
  verified: { type: "boolean", of: ({ after: { phone } }) => phone?.verified ?? false },
  pending: { type: "jsonb", of: ({ after: { pending } }) => pending && pendingJson(pending) },
  proven: { type: "text", of: ({ after }) => after.proven },
  guesses: { type: "jsonb", of: ({ after }) => guessesJson(after.guesses) },
  wait: { type: "jsonb", of: ({ after: { wait } }) => wait && waitJson(wait) }
}

const event: Columns<PartOf<UserPhoneEvent>> = {
  place,
  sequence: { type: "bigint", of: ({ part }) => part.sequence },
  type: { type: "text", of: ({ part }) => part.change.type },
  at: { type: "timestamptz", of: ({ part }) => time(part.at) },
  phone: { type: "text", of: ({ part: { change } }) => "number" in change ? Redacted.value(change.number) : null },
  /** Whether the event's data also holds the change's pending code, which is not sent a second time. */
  shows_pending: { type: "boolean", of: showsPending },
  data: { type: "jsonb", of: (row) => eventJson(row.part.change, { pending: !showsPending(row) }) }
}

/** A new code is written twice, in the state and in the log, but need not be sent twice. */
function showsPending({ change: { after }, part: { change } }: PartOf<UserPhoneEvent>): boolean {
  return change.type === "user.human.phone.code.added" && change.pending === after.pending
}

const message: Columns<PartOf<OutboxMessage>> = {
  place,
  message_id: { type: "uuid", of: ({ part }) => part.messageId },
  kind: { type: "text", of: ({ part }) => part.kind },
  route: { type: "text", of: ({ part }) => part.route },
  code_id: { type: "uuid", of: ({ part }) => part.codeId },
  key_id: { type: "text", of: ({ part }) => part.keyId },
  sealed: { type: "bytea", of: ({ part }) => part.sealed },
  created_at: { type: "timestamptz", of: ({ part }) => time(part.createdAt) },
  expires_at: { type: "timestamptz", of: ({ part }) => time(part.expiresAt) },
  resends: { type: "integer", of: ({ part }) => part.resends }
}

const charge: Columns<PartOf<Charge>> = {
  place,
  counter: { type: "text", of: ({ part }) => part.counter },
  reason: { type: "text", of: ({ part }) => part.reason },
  at: { type: "timestamptz", of: ({ part }) => time(part.at) },
  windows: { type: "jsonb", of: ({ part }) => windowsJson(part.windows) },
  instead: { type: "text", of: ({ part }) => part.instead },
  /** How many charge times the counter has to remember. */
  remembered: { type: "integer", of: ({ part }) => remembered(part) },
  kept_until: { type: "timestamptz", of: ({ part }) => time(DateTime.addDuration(part.at, longest(part))) }
}

const request: Columns<PartOf<IdempotentRequest>> = {
  place,
  scope: { type: "text", of: ({ part }) => part.scope },
  request: { type: "text", of: ({ part }) => part.request },
  kept_until: { type: "timestamptz", of: ({ part }) => time(part.keptUntil) }
}

/** The columns of each kind of rows, in the order in which `commit_changes` takes them. */
export const columns = { change, event, message, charge, request }

/** The parameters of `commit_changes` for these commits. */
export const parametersFor = (commits: ReadonlyArray<Commit>) => {
  const parts = <A>(of: (commit: Commit) => ReadonlyArray<A>) =>
    commits.flatMap((change, index) => of(change).map((part): PartOf<A> => ({ place: index + 1, change, part })))
  return [
    ...parametersOf(change, commits),
    ...parametersOf(event, parts(({ events }) => events)),
    ...parametersOf(message, parts(({ messages }) => messages)),
    ...parametersOf(charge, parts(({ charges }) => charges)),
    ...parametersOf(request, parts(({ idempotency }) => idempotency === undefined ? [] : [idempotency]))
  ]
}

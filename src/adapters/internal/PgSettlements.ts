/**
 * Messages that were handed over, in the form that `settle_sent` takes: a row for each.
 */
import type { ClaimedMessage, Settlement } from "../../core/Outbox.ts"
import { type Columns, parametersOf, placeholders } from "./PgColumns.ts"

/** A message that was handed over, and what is known of it. */
export interface Sent {
  readonly message: ClaimedMessage
  readonly settlement: Extract<Settlement, { readonly _tag: "Sent" }>
}

/** The columns, in the order in which `settle_sent` takes them. */
export const columns: Columns<Sent> = {
  message_id: { type: "uuid", of: ({ message }) => message.messageId },
  user_id: { type: "text", of: ({ message }) => message.userId },
  lease_token: { type: "uuid", of: ({ message }) => message.leaseToken },
  at: { type: "timestamptz", of: ({ settlement }) => settlement.at.epochMilliseconds },
  provider: { type: "text", of: ({ settlement }) => settlement.provider },
  reference: { type: "text", of: ({ settlement }) => settlement.reference },
  verification_id: { type: "text", of: ({ settlement }) => settlement.verificationId }
}

/** The statement that calls `settle_sent`. */
export const settleSent = `SELECT user_phone.settle_sent(${placeholders(Object.keys(columns).length)}) AS settled`

/** The parameters of `settle_sent` for these messages. */
export const parametersFor = (messages: ReadonlyArray<Sent>) => parametersOf(columns, messages)

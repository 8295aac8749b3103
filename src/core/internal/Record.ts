/**
 * What every decision has in common: the events that it appends, and the state after them.
 */
import type * as DateTime from "effect/DateTime"
import { evolve, nextEvent, type PhoneChange, type UserPhone, type UserPhoneEvent } from "../UserPhone.ts"

/** A decision that sends and costs nothing. */
export interface Recorded {
  readonly before: UserPhone
  readonly events: readonly [UserPhoneEvent, ...Array<UserPhoneEvent>]
  readonly after: UserPhone
  readonly messages: readonly []
  readonly charges: readonly []
}

export const record = (
  before: UserPhone,
  [first, ...rest]: readonly [PhoneChange, ...Array<PhoneChange>],
  now: DateTime.Utc
): Recorded => {
  const event = nextEvent(before, first, now)
  const events: [UserPhoneEvent, ...Array<UserPhoneEvent>] = [event]
  let after = evolve(before, event)
  for (const change of rest) {
    const next = nextEvent(after, change, now)
    events.push(next)
    after = evolve(after, next)
  }
  return { before, events, after, messages: [], charges: [] }
}

/**
 * Notices: when a verified number is replaced or removed, a message to that number says so, since its holder may be the one
 * who was robbed of the account. They leave through the same outbox as codes, and the change is made whether or not they do.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"

/**
 * How notices are sent.
 *
 * @category models
 * @since 0.1.0
 */
export interface Notices {
  /** How long a notice is tried for; 1 hour by default. The key that sealed it has to be held for as long. */
  readonly lifetime: Duration.Duration
}

/**
 * Whether notices are sent, a setting with a default. How many go to one number is a limit, `noticesPerNumber`. It is read
 * where the operations are built.
 *
 * @category references
 * @since 0.1.0
 */
export const Notices = Context.Reference<Notices | "off">("effect-user-phone/core/Notices", {
  defaultValue: () => ({ lifetime: Duration.hours(1) })
})

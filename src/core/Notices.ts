/**
 * Notices: when a verified number is replaced or removed, a message to that number says so, since somebody else may
 * have taken over its holder's account. Notices leave through the same outbox as codes, and the change is made whether
 * or not they are delivered.
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
  /**
   * For how long delivery of a notice is tried; 1 hour by default. The key that sealed the notice has to be kept for as
   * long.
   */
  readonly lifetime: Duration.Duration
}

/**
 * Whether notices are sent, a setting with a default. The limit `noticesPerNumber` says how many go to one number. The
 * setting is read when the operations are built.
 *
 * @category references
 * @since 0.1.0
 */
export const Notices = Context.Reference<Notices | "off">("effect-user-phone/core/Notices", {
  defaultValue: () => ({ lifetime: Duration.hours(1) })
})

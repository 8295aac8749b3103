/**
 * The operations in memory, for tests of a host: nothing is sent, and what would have been can be read.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Memory from "../adapters/Memory.ts"
import { SmsInbox } from "../adapters/MemorySmsNotifier.ts"
import * as Limits from "../core/Limits.ts"
import { make as makeOver, type UserPhones } from "./index.ts"
import { limitsOf } from "./internal/Input.ts"

/**
 * A message that would have been sent.
 *
 * @category models
 * @since 0.1.0
 */
export interface SentSms {
  /** In E.164 form. */
  readonly recipient: string
  readonly text: string
  /** Undefined for a notice. */
  readonly code: string | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export interface MemoryUserPhones extends UserPhones {
  /** The next message to a number in E.164 form, each once. Rejects when there is none within five seconds. */
  readonly nextSms: (recipient: string) => Promise<SentSms>
}

/**
 * Users, phones and messages in memory, each time new ones. `limits` are off unless they are asked for, since tests are quicker than
 * people.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  { limits = "off" }: { readonly limits?: Partial<Limits.Limits> | "off" | undefined } = {}
): Promise<MemoryUserPhones> => {
  let inbox: SmsInbox["Service"]
  const layer = Layer.effectDiscard(Effect.map(SmsInbox, (made) => void (inbox = made))).pipe(
    Layer.provideMerge(Memory.layer),
    Layer.provide(Layer.sync(Limits.Limits, () => limitsOf(limits)))
  )
  const read = new Map<string, number>()

  const nextSms = (recipient: string): Promise<SentSms> =>
    Effect.suspend(() => inbox.all).pipe(
      Effect.map((all) =>
        all.filter((sms) => Redacted.value<string>(sms.recipient) === recipient)[read.get(recipient) ?? 0]
      ),
      Effect.repeat({ until: (sms) => sms !== undefined, schedule: Schedule.spaced("10 millis") }),
      Effect.timeoutOrElse({
        duration: "5 seconds",
        orElse: () => Effect.die(new Error("no SMS to that number within five seconds"))
      }),
      Effect.map((sms) => {
        read.set(recipient, (read.get(recipient) ?? 0) + 1)
        return {
          recipient,
          text: Redacted.value(sms!.text),
          code: sms!.content.kind === "code" ? Redacted.value(sms!.content.code) : undefined
        }
      }),
      Effect.runPromise
    )

  return makeOver(layer).then((phones) => ({ ...phones, nextSms }))
}

/**
 * The operations in memory, for tests of a host: nothing is sent, and messages that would have been sent can be read.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Memory from "../adapters/Memory.ts"
import { SmsInbox } from "../adapters/MemorySmsNotifier.ts"
import * as Operations from "../core/Operations.ts"
import * as SmsDelivery from "../core/SmsDelivery.ts"
import { make as makeOver, type UserPhones } from "./index.ts"
import { checkNames, layerRules, ruleNames, type RuleOptions } from "./internal/Options.ts"

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
 * The operations in memory, and what would have been sent.
 *
 * @category models
 * @since 0.1.0
 */
export interface MemoryUserPhones extends UserPhones {
  /** The next unread message to a number in E.164 form. Rejects if none comes within five seconds. */
  readonly nextSms: (recipient: string) => Promise<SentSms>
}

/**
 * Users, phones and messages in memory, new ones at each call, by the same rules as `promise/Postgres`. Only `limits`
 * are off unless they are given (`{}` for the default ones), since tests are quicker than people. Rejects if an option
 * makes no sense.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <E = never>(options: RuleOptions<E> = {}): Promise<MemoryUserPhones> => {
  let inbox: SmsInbox["Service"]
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

  return Promise.resolve(options).then((given) => {
    checkNames("", given, ruleNames)
    const { limits = "off", ...rules } = given
    const layer = Layer.effectDiscard(Effect.map(SmsInbox, (made) => void (inbox = made))).pipe(
      Layer.provideMerge(Layer.merge(Operations.layer, SmsDelivery.layer())),
      Layer.provideMerge(layerRules({ limits, ...rules })),
      Layer.provideMerge(Memory.layerPorts)
    )
    return makeOver(layer)
  }).then((phones) => ({ ...phones, nextSms }))
}

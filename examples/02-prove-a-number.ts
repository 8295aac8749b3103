/** A user sets a phone, types the code of the SMS, wrongly at first, and removes the phone again. */
import { Console, Effect, Redacted, Schedule } from "effect"
import { Actor, RemovePhone, SetPhone, UserId, Users, VerifyPhone } from "effect-user-phone"
import * as Memory from "effect-user-phone/adapters/Memory"
import { SmsInbox } from "effect-user-phone/adapters/MemorySmsNotifier"

const [userId, resourceOwner] = [UserId.UserId.make("ada"), UserId.OrganizationId.make("demo")]
const ada = Actor.make({ userId, organization: resourceOwner })

/** The six digits of the SMS, once it has arrived. */
const codeFromSms = Effect.gen(function*() {
  const inbox = yield* SmsInbox
  const [sms] = yield* inbox.all.pipe(
    Effect.repeat({ until: (messages) => messages.length > 0, schedule: Schedule.spaced("20 millis") })
  )
  return Redacted.value(sms!.text).slice(0, 6)
})

Effect.gen(function*() {
  const users = yield* Users.Users
  yield* users.register({ userId, resourceOwner, kind: "human", state: "active" })
  const { setPhone } = yield* SetPhone.SetPhone
  const { verifyPhone } = yield* VerifyPhone.VerifyPhone
  const { removePhone } = yield* RemovePhone.RemovePhone

  yield* setPhone({ userId, phone: Redacted.make("+41 79 123 45 67") })
  const code = yield* codeFromSms

  yield* verifyPhone({ userId, verificationCode: Redacted.make("not it") }).pipe(
    Effect.catchTag("InvalidCode", ({ guessesLeft, reason }) => Console.log(`${reason}, ${guessesLeft} guesses left`))
  )
  yield* verifyPhone({ userId, verificationCode: Redacted.make(` ${code.slice(0, 3)}-${code.slice(3)}`) })
  yield* Console.log("The number is proven")

  const { details } = yield* removePhone({ userId })
  yield* Console.log(`The number is gone, after ${details.sequence} changes`)
}).pipe(Effect.provideService(Actor.Actor, ada), Effect.provide(Memory.layer), Effect.runPromise)

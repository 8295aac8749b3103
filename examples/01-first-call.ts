import { Effect, Redacted } from "effect"
import { Actor, SetPhone, UserId, Users } from "effect-user-phone"
import * as Memory from "effect-user-phone/adapters/Memory"

const [userId, resourceOwner] = [UserId.UserId.make("ada"), UserId.OrganizationId.make("demo")]
const host = Actor.make({ userId: "host", organization: "demo", grants: { demo: ["user.write"] } })

Effect.gen(function*() {
  const users = yield* Users.Users
  yield* users.register({ userId, resourceOwner, kind: "human", state: "active" })
  const { setPhone } = yield* SetPhone.SetPhone
  const phone = Redacted.make("+41 79 123 45 67")
  const answer = yield* setPhone({ userId, phone, verification: { _tag: "ReturnCode" } })
  console.log(`The code is ${Redacted.value(answer.verificationCode!)}`)
}).pipe(Effect.provideService(Actor.Actor, host), Effect.provide(Memory.layer), Effect.runPromise)

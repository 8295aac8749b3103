/** The operations as asynchronous functions, for a host that is not written with Effect. */
import * as Memory from "effect-user-phone/adapters/Memory"
import { errorAnswer, make } from "effect-user-phone/promise"

// Any layer of the operations, such as that of examples/05-in-your-server.ts.
const phones = await make(Memory.layer)
await phones.users.register({ userId: "ada", resourceOwner: "demo" })

// Who asks: who may do this is found out by its grants.
const host = phones.as({ userId: "host", organization: "demo", grants: { demo: ["user.write"] } })
const { details, verificationCode } = await host.setPhone({
  userId: "ada",
  phone: "+41 79 123 45 67",
  verification: "ReturnCode"
})
console.log(`Set for ${details.resourceOwner}'s ada; the code is ${verificationCode}`)

try {
  await host.setPhone({ userId: "ada", phone: "12345" })
} catch (error) {
  // What the HTTP layer would answer; undefined for a bug.
  console.log(errorAnswer(error))
}

await host.verifyPhone({ userId: "ada", verificationCode: verificationCode! })
console.log((await host.getPhone({ userId: "ada" })).phone)
await phones.close()

/** The operations as asynchronous functions, as a host calls them that knows nothing of Effect. */
import { Effect, Layer } from "effect"
import { assert, describe, expect, it } from "vitest"
import * as Memory from "../src/adapters/Memory.ts"
import { Errors, Users } from "../src/core/index.ts"
import * as UserPhones from "../src/promise/index.ts"

const admin = { userId: "admin", organization: "demo", grants: { demo: ["user.write"] } } as const
const phone = "+41 79 123 45 67"

/** What a promise rejects with. */
const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then((value) => assert.fail(`not rejected: ${JSON.stringify(value)}`), (error: unknown) => error)

const started = async () => {
  const phones = await UserPhones.make(Memory.layer)
  await phones.users.register({ userId: "ada", resourceOwner: "demo" })
  return { phones, host: phones.as(admin) }
}

describe("the operations without Effect", () => {
  it("set, resend, prove, read and remove, with answers that are JSON", async () => {
    const { host, phones } = await started()
    const set = await host.setPhone({ userId: "ada", phone, verification: "ReturnCode", idempotencyKey: "once" })
    expect(JSON.parse(JSON.stringify(set))).toEqual({
      details: { sequence: "2", changeDate: expect.stringMatching(/^\d{4}-.*Z$/), resourceOwner: "demo" },
      verificationCode: expect.stringMatching(/^\d{6}$/),
      replayed: false
    })
    const again = await host.setPhone({ userId: "ada", phone, verification: "ReturnCode", idempotencyKey: "once" })
    expect(again).toEqual({ details: set.details, replayed: true })

    const { verificationCode } = await host.resendPhoneCode({ userId: "ada", verification: "ReturnCode" })
    const verified = await host.verifyPhone({ userId: "ada", verificationCode: ` ${verificationCode} ` })
    expect(verified.details.sequence).toBe("4")
    expect((await host.getPhone({ userId: "ada" })).phone).toEqual({ phone: "+41791234567", isVerified: true })
    expect((await host.removePhone({ userId: "ada" })).details.sequence).toBe("5")
    expect((await host.unlockPhoneVerification({ userId: "ada" })).details.sequence).toBe("6")
    await phones.close()
  })

  it("act for whoever calls", async () => {
    const { phones } = await started()
    const ada = phones.as({ userId: "ada", organization: "demo" })
    assert.instanceOf(
      await rejection(ada.setPhone({ userId: "ada", phone, verification: "AlreadyVerified" })),
      Errors.PermissionDenied
    )
    assert.instanceOf(
      await rejection(phones.as({ ...admin, grants: {} }).getPhone({ userId: "ada" })),
      Errors.PermissionDenied
    )
    assert.instanceOf(await rejection(phones.as(admin).getPhone({ userId: "grace" })), Errors.NotFound)
    await phones.close()
  })

  it("throw errors that say what a server answers", async () => {
    const { host, phones } = await started()
    expect(UserPhones.errorAnswer(await rejection(host.setPhone({ userId: "ada", phone: "12345" })))).toEqual({
      status: 400,
      headers: {},
      body: expect.objectContaining({ code: 3 })
    })
    await host.setPhone({ userId: "ada", phone })
    const early = UserPhones.errorAnswer(await rejection(host.resendPhoneCode({ userId: "ada" })))
    expect([early?.status, early?.headers["retry-after"]]).toEqual([429, expect.stringMatching(/^\d+$/)])
    expect(UserPhones.errorAnswer(new Error("a bug"))).toBeUndefined()
    await phones.close()
  })

  it("refuse by name what plain JavaScript may get wrong, and send nothing", async () => {
    const { phones } = await started()
    const host = phones.as(admin) as any
    const wrong: ReadonlyArray<readonly [() => Promise<unknown>, string]> = [
      [() => host.setPhone({ userId: "ada", phone, verification: "returnCode" }), "verification"],
      [() => host.setPhone({ userId: "ada", phone: 41791234567 }), "phone"],
      [() => host.setPhone({ userId: "", phone }), "userId"],
      [() => host.setPhone({ userId: "ada", phone, idempotencyKey: "a b" }), "idempotencyKey"],
      [() => host.resendPhoneCode({ userId: "ada", verification: "AlreadyVerified" }), "verification"],
      [() => host.verifyPhone({ userId: "ada", verificationCode: 123456 }), "verificationCode"],
      [() => phones.users.register({ userId: "", resourceOwner: "demo" }), "userId"],
      [() => phones.users.register({ userId: "bob", resourceOwner: "" }), "resourceOwner"],
      [() => phones.users.update("ada", { resourceOwner: "" }), "resourceOwner"]
    ]
    for (const [call, field] of wrong) {
      const error = await rejection(call())
      assert.instanceOf(error, Errors.InvalidArgument)
      assert.strictEqual((error as Errors.InvalidArgument).field, field)
    }
    for (
      const caller of [
        { userId: "ada" },
        { userId: "ada", organization: "demo", grants: { demo: "user.write" } },
        { userId: "ada", organization: "demo", grants: { demo: ["user.wirte"] } }
      ]
    ) assert.throws(() => phones.as(caller as any), Errors.InvalidArgument)
    expect((await phones.as(admin).getPhone({ userId: "ada" })).phone).toEqual({})
    await phones.close()
  })

  it("keep users", async () => {
    const { host, phones } = await started()
    assert.instanceOf(
      await rejection(phones.users.register({ userId: "ada", resourceOwner: "demo" })),
      Users.UserAlreadyExists
    )
    await phones.users.register({ userId: "bob", resourceOwner: "demo", state: "initial" })
    assert.instanceOf(await rejection(host.setPhone({ userId: "bob", phone })), Errors.UserNotInitialized)
    await phones.users.update("bob", { state: "active", language: "de" })
    await host.setPhone({ userId: "bob", phone })
    await phones.users.remove("bob")
    assert.instanceOf(await rejection(host.getPhone({ userId: "bob" })), Errors.NotFound)
    assert.instanceOf(await rejection(phones.users.remove("bob")), Errors.NotFound)
    await phones.close()
  })

  it("end with a signal, or before they begin", async () => {
    const { host, phones } = await started()
    const reason = new Error("gone")
    assert.strictEqual(
      await rejection(host.setPhone({ userId: "ada", phone }, { signal: AbortSignal.abort(reason) })),
      reason
    )
    const controller = new AbortController()
    const setting = rejection(host.setPhone({ userId: "ada", phone }, { signal: controller.signal }))
    controller.abort(reason)
    assert.strictEqual(await setting, reason)
    await phones.close()
  })

  it("reject where the layer cannot be built", async () => {
    const broken = Layer.effectDiscard(Effect.fail(new Error("no database")))
    const error = await rejection(UserPhones.make(Layer.merge(broken, Memory.layer)))
    assert.strictEqual((error as Error).message, "no database")
  })
})

/** The operations as asynchronous functions, as a host calls them that knows nothing of Effect. */
import { Cause, DateTime, Duration, Effect, Fiber, Layer, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { assert, describe, expect, it } from "vitest"
import * as IcuSmsText from "../src/adapters/IcuSmsText.ts"
import * as Memory from "../src/adapters/Memory.ts"
import * as TwilioSmsNotifier from "../src/adapters/TwilioSmsNotifier.ts"
import { Errors, SmsNotifier, Users, VerificationProvider } from "../src/core/index.ts"
import * as UserPhones from "../src/promise/index.ts"
import * as InMemory from "../src/promise/Memory.ts"
import * as OverPostgres from "../src/promise/Postgres.ts"
import * as SmsSender from "../src/promise/SmsSender.ts"
import * as SampleSms from "./fixtures/SampleSms.ts"
import { record } from "./fixtures/Telemetry.ts"

const admin = { userId: "admin", organization: "demo", grants: { demo: ["user.write"] } } as const
const phone = "+41 79 123 45 67"
const another = "+41 79 123 45 68"

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
    const { users } = phones as any
    const wrong: ReadonlyArray<readonly [() => Promise<unknown>, string]> = [
      [() => host.setPhone({ userId: "ada", phone, verification: "returnCode" }), "verification"],
      [() => host.setPhone({ userId: "ada", phone, verification: null }), "verification"],
      [() => host.setPhone({ userId: "ada", phone: 41791234567 }), "phone"],
      [() => host.setPhone({ userId: "ada" }), "phone"],
      [() => host.setPhone(), "phone"],
      [() => host.setPhone(null), "phone"],
      [() => host.setPhone({ userId: "", phone }), "userId"],
      [() => host.setPhone({ userId: 7, phone }), "userId"],
      [() => host.setPhone({ phone }), "userId"],
      ...["a b", 7, null, ["a"], true].map((idempotencyKey) =>
        [() => host.setPhone({ userId: "ada", phone, idempotencyKey }), "idempotencyKey"] as const
      ),
      [() => host.resendPhoneCode({ userId: "ada", verification: "AlreadyVerified" }), "verification"],
      [() => host.resendPhoneCode(), "userId"],
      [() => host.getPhone(null), "userId"],
      [() => users.register(null), "userId"],
      [() => host.verifyPhone({ userId: "ada", verificationCode: 123456 }), "verificationCode"],
      [() => host.verifyPhone(), "verificationCode"],
      [() => host.removePhone(), "userId"],
      [() => host.getPhone(), "userId"],
      [() => host.unlockPhoneVerification(), "userId"],
      [() => users.register(), "userId"],
      [() => users.register({ userId: "", resourceOwner: "demo" }), "userId"],
      [() => users.register({ userId: "bob" }), "resourceOwner"],
      [() => users.register({ userId: "bob", resourceOwner: "demo", kind: "robot" }), "kind"],
      [() => users.register({ userId: "bob", resourceOwner: "demo", state: "blocked" }), "state"],
      [() => users.register({ userId: "bob", resourceOwner: "demo", state: null }), "state"],
      [() => users.register({ userId: "bob", resourceOwner: "demo", language: 5 }), "language"],
      [() => users.update("ada", { resourceOwner: 5 }), "resourceOwner"],
      [() => users.update("ada", { state: null }), "state"],
      [() => users.update("ada", { language: 5 }), "language"],
      [() => users.remove(), "userId"]
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
    const there = await rejection(phones.users.register({ userId: "ada", resourceOwner: "demo" }))
    assert.instanceOf(there, Users.UserAlreadyExists)
    assert.strictEqual(UserPhones.errorAnswer(there)?.status, 409)
    await phones.users.register({ userId: "bob", resourceOwner: "demo", state: "initial", language: null })
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
    const aborted = { signal: AbortSignal.abort(reason) }
    expect((await host.getPhone({ userId: "ada" }, { signal: null })).phone).toEqual({})
    await host.setPhone({ userId: "ada", phone, verification: "AlreadyVerified" })
    assert.strictEqual(await rejection(host.removePhone({ userId: "ada" }, aborted)), reason)
    expect((await host.getPhone({ userId: "ada" })).phone.isVerified).toBe(true)
    const controller = new AbortController()
    const setting = rejection(host.setPhone({ userId: "ada", phone: another }, { signal: controller.signal }))
    controller.abort(reason)
    assert.strictEqual(await setting, reason)
    await phones.close()
  })

  it("are done to their end before all is closed, and taken no more after that", async () => {
    const { host, phones } = await started()
    for (const userId of ["bob", "cid"]) await phones.users.register({ userId, resourceOwner: "demo" })
    const calls = ["ada", "bob", "cid"].map((userId, index) => host.setPhone({ userId, phone: `+4179123456${index}` }))
    await Promise.all([phones.close(), phones.close()])
    expect((await Promise.all(calls)).map(({ details }) => details.sequence)).toEqual(["2", "2", "2"])
    const late = await rejection(host.getPhone({ userId: "ada" }))
    assert.instanceOf(late, Errors.Unavailable)
    assert.strictEqual(UserPhones.errorAnswer(late)?.status, 503)
  })

  it("share what is built with others that have the same memo map", async () => {
    const memoMap = Layer.makeMemoMapUnsafe()
    const one = await UserPhones.make(Memory.layer, { memoMap })
    const two = await UserPhones.make(Memory.layer, { memoMap })
    const three = await UserPhones.make(Memory.layer)
    await one.users.register({ userId: "ada", resourceOwner: "demo" })
    expect((await two.as(admin).getPhone({ userId: "ada" })).phone).toEqual({})
    assert.instanceOf(await rejection(three.as(admin).getPhone({ userId: "ada" })), Errors.NotFound)
    await Promise.all([one, two, three].map((phones) => phones.close()))
  })

  it("tell a test what would have been sent", async () => {
    const phones = await InMemory.make()
    await phones.users.register({ userId: "ada", resourceOwner: "demo" })
    const ada = phones.as({ userId: "ada", organization: "demo" })
    await ada.setPhone({ userId: "ada", phone })
    const first = await phones.nextSms("+41791234567")
    expect(first).toEqual({
      recipient: "+41791234567",
      text: expect.stringContaining(first.code!),
      code: expect.stringMatching(/^\d{6}$/)
    })
    await ada.resendPhoneCode({ userId: "ada" })
    const { code } = await phones.nextSms("+41791234567")
    await ada.verifyPhone({ userId: "ada", verificationCode: code! })
    await phones.close()

    for (
      const [options, rule] of [
        [{ limits: { guessPerCode: 3 } }, /^limits.guessPerCode is no option: there are guessesPerCode/],
        [{ databaseUrl: "postgres://" }, /^databaseUrl is no option: there are codes, limits, phones, texts$/],
        [null, /^the options must be an object$/],
        [{ limits: null }, /^limits must be an object$/]
      ] as const
    ) assert.match(((await rejection(InMemory.make(options as object))) as Error).message, rule)
    const limited = await InMemory.make({ limits: {} })
    await limited.users.register({ userId: "ada", resourceOwner: "demo" })
    await limited.as(admin).setPhone({ userId: "ada", phone })
    assert.instanceOf(await rejection(limited.as(admin).resendPhoneCode({ userId: "ada" })), Errors.TooManyRequests)
    await limited.close()
    const unlimited = await InMemory.make({ limits: { waitBetweenCodes: "off", codesPerUser: undefined } })
    await unlimited.users.register({ userId: "ada", resourceOwner: "demo" })
    await unlimited.as(admin).setPhone({ userId: "ada", phone })
    await unlimited.as(admin).resendPhoneCode({ userId: "ada" })
    await unlimited.close()
  })

  it("keep the rules that a host gives them, in a test as in production", async () => {
    const phones = await InMemory.make<IcuSmsText.TemplatesRefused>({
      phones: { defaultRegion: "CH", regions: ["CH"] },
      codes: "zitadel",
      texts: IcuSmsText.layer(),
      limits: { codesPerUser: [{ max: 1, within: "2 hours" }], waitBetweenCodes: "off" }
    })
    await phones.users.register({ userId: "ada", resourceOwner: "demo", language: "de" })
    const host = phones.as(admin)
    await host.setPhone({ userId: "ada", phone: "079 123 45 67" })
    const { code, text } = await phones.nextSms("+41791234567")
    assert.match(code!, /^[A-Z0-9]{6}$/)
    assert.include(text, "Ihr Bestätigungscode")
    const later = await rejection(host.resendPhoneCode({ userId: "ada" })) as Errors.TooManyRequests
    assert.closeTo(later.until.epochMilliseconds - Date.now(), 7_200_000, 60_000)
    const abroad = await rejection(host.setPhone({ userId: "ada", phone: "+4915112345678" }))
    assert.strictEqual((abroad as Errors.InvalidPhoneNumber).reason, "RegionRefused")
    await phones.close()
  })

  it("let a caller go at once who aborts, also where a provider is being asked", async () => {
    let answer: () => void = () => {}
    const provider: VerificationProvider.VerificationProvider = {
      id: "slow",
      lifetime: Duration.minutes(10),
      start: () => Effect.succeed({ verificationId: "V1" }),
      check: () => Effect.callback((resume) => void (answer = () => resume(Effect.succeed("right"))))
    }
    const phones = await UserPhones.make(
      Memory.layer.pipe(Layer.provide(Layer.succeed(VerificationProvider.VerificationProvider, provider)))
    )
    await phones.users.register({ userId: "ada", resourceOwner: "demo" })
    const host = phones.as(admin)
    await host.setPhone({ userId: "ada", phone })
    const delivered = async (): Promise<void> => {
      const { pendingCode } = await host.getPhone({ userId: "ada" })
      if (pendingCode?.delivery?.state !== "sent") await new Promise((next) => setTimeout(next, 5)).then(delivered)
    }
    await delivered()
    const guess = { userId: "ada", verificationCode: "271828" }
    const reason = await rejection(host.verifyPhone(guess, { signal: AbortSignal.timeout(50) }))
    assert.strictEqual((reason as Error).name, "TimeoutError")
    answer()
    await phones.close()
  })

  it("reject where the layer cannot be built", async () => {
    const broken = Layer.effectDiscard(Effect.fail(new Error("no database")))
    const error = await rejection(UserPhones.make(Layer.merge(broken, Memory.layer)))
    assert.strictEqual((error as Error).message, "no database")
  })
})

describe("the settings of PostgreSQL without Effect", () => {
  const options: OverPostgres.PostgresOptions = {
    databaseUrl: "postgres://nobody@127.0.0.1:1/nothing",
    codeKeys: `a:${Buffer.alloc(32, 1).toString("base64")}`,
    fingerprintKey: Buffer.alloc(32, 2).toString("base64"),
    sms: SmsSender.layer("none", () => Promise.resolve())
  }

  it("may be those of the adapters, which have what they need", () => {
    const twilio = TwilioSmsNotifier.layer({
      accountSid: "AC",
      authToken: Redacted.make("token"),
      from: "+15555550100"
    })
    assert.isObject(OverPostgres.layer({ ...options, sms: twilio }))
    assert.isObject(OverPostgres.layer({ ...options, sms: TwilioSmsNotifier.layerConfig() }))
    assert.isObject(OverPostgres.layer<IcuSmsText.TemplatesRefused>({ ...options, texts: IcuSmsText.layer() }))
  })

  it("are refused by name where they would hang, refuse everybody, or be something else than they seem", () => {
    const wrong: ReadonlyArray<readonly [object, RegExp]> = [
      [{ maxConnections: Number.NaN }, /^maxConnections must be a whole number from 2$/],
      [{ maxConnections: 1 }, /^maxConnections/],
      [{ codes: "digits8" }, /^codes must be one of digits6, zitadel$/],
      [{ codeKeys: "a:short" }, /^codeKeys must be a comma-separated list of id:base64/],
      [{ fingerprintKey: "short" }, /^fingerprintKey must be at least 32 bytes in base64$/],
      [{ databaseUrl: undefined }, /^databaseUrl must be given/],
      [{ databaseUrl: "localhost" }, /^databaseUrl must be a URL that begins with postgres:\/\/$/],
      ...["ssl=true", "SSLMODE=require", "tls=1", "sslrootcert=ca.pem", "sslmode=require&sslcert=a.pem"].map(
        (query) =>
          [{ databaseUrl: `postgres://host/db?${query}` }, /^databaseUrl has .+; write sslmode=require/] as const
      ),
      ...["sslmode=no-verify", "sslmode=require&sslmode=disable", "sslmode="].map(
        (query) => [{ databaseUrl: `postgres://host/db?${query}` }, /^databaseUrl must have sslmode once: /] as const
      ),
      [{ sms: () => Promise.resolve() }, /^sms must be a layer, such as SmsSender/],
      [{ texts: "en" }, /^texts must be a layer/],
      [{ delivers: "no" }, /^delivers must be true or false$/],
      [{ maxConnection: 3 }, /^maxConnection is no option: there are codeKeys, databaseUrl,/],
      [{ phones: { region: ["CH"] } }, /^phones.region is no option: there are accept, defaultRegion, regions$/],
      [{ phones: { regions: "CH" } }, /^phones.regions must be a list/],
      [{ phones: { accept: "Mobile" } }, /^phones.accept must be/],
      [{ phones: { regions: ["ch"] } }, /^phones has a region that there is not/],
      [{ phones: { defaultRegion: "XX" } }, /^phones has a region that there is not/],
      [{ phones: { regions: [] } }, /^phones.regions must be a list of regions, or "all"$/],
      [{ limits: { guessPerCode: 3 } }, /^limits.guessPerCode is no option: there are guessesPerCode/],
      [{ limits: { codesPerNumber: null } }, /^limits: codesPerNumber must be/],
      [{ limits: { guessesPerCode: "5" } }, /^limits: guessesPerCode must be a whole number/],
      [{ limits: { codesPerUser: { max: 1, within: 1000 } } }, /^limits: codesPerUser must be a list/],
      [{ limits: { codesPerUser: [{ max: 1, within: "a day" }] } }, /^limits.codesPerUser.within must be a duration/],
      [
        { limits: { codesPerUser: [{ max: 1 }] } },
        /^limits: codesPerUser must be a list of windows, each whose within/
      ],
      [
        { limits: { wrongGuessesPerUser: [{ max: 1, within: 1000 }] } },
        /^limits: wrongGuessesPerUser must be a window/
      ],
      [{ limits: { waitBetweenCodes: 30 } }, /^limits: waitBetweenCodes must be a wait/],
      [{ limits: null }, /^limits must be an object$/],
      [{ limits: [] }, /^limits must be an object$/],
      [{ phones: null }, /^phones must be an object$/]
    ]
    for (const [option, rule] of wrong) assert.throws(() => OverPostgres.layer({ ...options, ...option }), rule)
    for (const none of [undefined, null, "postgres://"]) {
      assert.throws(() => OverPostgres.layer(none as never), /^the options must be an object$/)
    }
  })

  it("reject where the database is not there", async () => {
    await rejection(UserPhones.make(OverPostgres.layer(options)))
  })
})

describe("an SMS provider that is a function", () => {
  const sms = SampleSms.make()
  const send = (sender: SmsSender.Send) =>
    Effect.runPromiseExit(
      SmsNotifier.SmsNotifier.use((notifier) => notifier.send(sms)).pipe(
        Effect.provide(SmsSender.layer("acme", sender))
      )
    )
  const reasonOf = async (sender: SmsSender.Send) => {
    const exit = await send(sender)
    return exit._tag === "Failure" ? SampleSms.plain(Cause.squash(exit.cause) as SmsNotifier.SmsNotSent) : exit.value
  }

  it("gets the message in plain values", async () => {
    const sent: Array<SmsSender.OutgoingSms> = []
    const taken = await reasonOf((outgoing) => {
      sent.push(outgoing)
      return Promise.resolve({ reference: "A1" })
    })
    expect(taken).toEqual({ provider: "acme", reference: "A1" })
    expect(sent).toEqual([{
      messageId: sms.messageId,
      userId: sms.userId,
      recipient: SampleSms.number,
      text: Redacted.value(sms.text),
      code: "314159",
      language: sms.language,
      expiresAt: DateTime.toDateUtc(sms.expiresAt),
      resends: sms.resends
    }])
    expect(await reasonOf(() => Promise.resolve())).toEqual({ provider: "acme", reference: undefined })
  })

  it("is told of once a minute when it throws what it should not, without what that says", async () => {
    const { layer, logs } = record()
    const { number } = SampleSms
    const named = Object.assign(new Error(), { name: number })
    const bugs: Array<unknown> = [new TypeError(number), 1, named, 2, number, 3]
    await Effect.runPromise(
      Effect.gen(function*() {
        const { send } = yield* SmsNotifier.SmsNotifier
        while (bugs.length > 0) {
          yield* Effect.flip(send(sms))
          yield* Effect.flip(send(sms))
          yield* TestClock.adjust("1 minute")
        }
      }).pipe(Effect.provide([
        SmsSender.layer("acme", () => Promise.reject(bugs.shift() as Error)),
        layer,
        TestClock.layer()
      ]))
    )
    const line = "the function that sends SMS by acme threw something other than SmsFailed"
    expect(logs).toEqual([["Error", line, "TypeError"], ["Error", line, "Error"], [
      "Error",
      line,
      "string"
    ]])
  })

  it("is refused where it is no function, or has no name", () => {
    const send = () => Promise.resolve()
    assert.throws(() => SmsSender.layer("acme", undefined as never), /^send must be a function$/)
    for (const name of ["", undefined as never]) {
      assert.throws(() => SmsSender.layer(name, send), /^provider must be given, as a text$/)
    }
  })

  it("says why it has not taken it, and of what else it throws nothing is told", async () => {
    const failing = (...args: ConstructorParameters<typeof SmsSender.SmsFailed>) =>
      reasonOf(() => Promise.reject(new SmsSender.SmsFailed(...args)))
    expect(await failing("transient", { code: "HTTP 500" })).toEqual({ _tag: "Transient", cause: "HTTP 500" })
    expect(await failing("transient", { retryAfterSeconds: 3 })).toEqual({
      _tag: "Transient",
      cause: "transient",
      retryAfter: Duration.seconds(3)
    })
    expect(await failing("throttled")).toEqual({ _tag: "Throttled" })
    expect(await failing("permanent", { code: "21211" })).toEqual({ _tag: "Permanent", code: "21211" })
    expect(await failing("opted-out")).toEqual({ _tag: "OptedOut" })
    expect(await failing("destination-refused")).toEqual({ _tag: "DestinationRefused", code: "destination-refused" })
    expect(await failing("account-refused")).toEqual({ _tag: "AccountRefused", code: "account-refused" })
    expect(await failing("permanent", { code: 21211 })).toEqual({ _tag: "Permanent", code: "21211" })
    expect(await failing("gone" as never, { retryAfterSeconds: Infinity })).toEqual({
      _tag: "Transient",
      cause: "gone"
    })
    expect(await reasonOf(() => Promise.resolve({ reference: 7 }))).toEqual({ provider: "acme", reference: "7" })
    expect(await reasonOf(() => Promise.resolve({ reference: null as never }))).toEqual({
      provider: "acme",
      reference: undefined
    })
    const unknown = { _tag: "Transient", cause: "the function threw" }
    expect(await reasonOf(() => Promise.reject(new Error(SampleSms.number)))).toEqual(unknown)
    expect(
      await reasonOf(() => {
        throw new TypeError(SampleSms.number)
      })
    ).toEqual(unknown)
  })

  it("is told to stop", async () => {
    let stopped = false
    const fiber = Effect.runFork(
      SmsNotifier.SmsNotifier.use((notifier) => notifier.send(sms)).pipe(
        Effect.provide(
          SmsSender.layer("acme", (_, signal) =>
            new Promise((_, fail) =>
              signal.addEventListener("abort", () => {
                stopped = true
                fail(signal.reason as Error)
              })
            ))
        )
      )
    )
    await Effect.runPromise(Effect.andThen(Effect.sleep("20 millis"), Fiber.interrupt(fiber)))
    assert.isTrue(stopped)
  })
})

/**
 * What the core does for SetPhone and VerifyPhone, written by hand as plain async functions over maps: the same checks in the
 * same order, the same cryptography, limits, log and outbox, one call at a time on a user. No Effect, no ports, no schemas.
 */
import { parsePhoneNumberFromString } from "libphonenumber-js/max"
import {
  createCipheriv,
  createHmac,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
  randomInt,
  randomUUID,
  timingSafeEqual
} from "node:crypto"

export interface Actor {
  readonly userId: string
  readonly grants: ReadonlyMap<string, ReadonlySet<string>>
}

interface Code {
  readonly codeId: string
  readonly number: string
  readonly digest: string
  readonly keyId: string
  readonly sent: boolean
  readonly createdAt: number
  readonly expiresAt: number
}

interface Pending {
  readonly current: Code
  readonly previous?: Code
  readonly resends: number
  readonly wrongGuesses: number
}

interface Wait {
  readonly step: number
  readonly sentAt: number
  readonly until: number
}

interface User {
  readonly userId: string
  readonly organization: string
  readonly kind: "human" | "machine"
  readonly state: "initial" | "active"
  readonly sequence: bigint
  readonly changedAt: number | undefined
  readonly phone: { readonly number: string; readonly verified: boolean } | undefined
  readonly pending: Pending | undefined
  readonly proven: string | undefined
  readonly guesses: { readonly wrongInARow: number; readonly wrongAt: ReadonlyArray<number> }
  readonly wait: Wait | undefined
}

type Change =
  | { readonly type: "changed"; readonly number: string }
  | { readonly type: "code.added"; readonly pending: Pending; readonly wait?: Wait }
  | { readonly type: "verified"; readonly proven: string }
  | { readonly type: "verification.failed"; readonly codeId: string }

interface Event {
  readonly sequence: bigint
  readonly at: number
  readonly change: Change
}

interface Message {
  readonly messageId: string
  readonly userId: string
  readonly kind: "code" | "notice"
  readonly codeId: string | undefined
  readonly keyId: string
  readonly sealed: Buffer
  readonly createdAt: number
  readonly expiresAt: number
}

interface Window {
  readonly max: number
  readonly within: number
}

interface Charge {
  readonly counter: string
  readonly reason: string
  readonly at: number
  readonly windows: ReadonlyArray<Window>
  readonly checkOnly?: boolean
}

interface Commit {
  readonly before: User
  readonly after: User
  readonly events: ReadonlyArray<Event>
  readonly messages: ReadonlyArray<Message>
  readonly charges: ReadonlyArray<Charge>
}

export class Refused extends Error {}

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

const limits = {
  guessesPerCode: 5,
  wrongGuessesPerUser: { max: 10, within: day },
  wrongGuessesPerNumber: [{ max: 10, within: day }],
  wrongGuessesInARow: 100,
  wait: { first: 30_000, longest: 32 * minute, jitter: 0.1 },
  codesPerNumber: [{ max: 5, within: 10 * minute }, { max: 10, within: hour }, { max: 20, within: day }],
  codesPerUser: [{ max: 20, within: day }],
  noticesPerNumber: [{ max: 5, within: day }]
}
const lifetime = 10 * minute
const noticeLifetime = 24 * hour
const mobileTypes = new Set(["MOBILE", "FIXED_LINE_OR_MOBILE"])

const deriveKey = (purpose: string): KeyObject =>
  createSecretKey(Buffer.from(hkdfSync("sha256", randomBytes(32), "effect-user-phone", purpose, 32)))

/** Joins texts, each after its length, so that no two lists of texts give the same bytes. */
const parts = (texts: ReadonlyArray<string>): Buffer => {
  let length = 0
  for (const text of texts) length += 4 + Buffer.byteLength(text)
  const joined = Buffer.allocUnsafe(length)
  let at = 0
  for (const text of texts) {
    const written = joined.write(text, at + 4)
    joined.writeUInt32BE(written, at)
    at += 4 + written
  }
  return joined
}

const hmac = (key: KeyObject, texts: ReadonlyArray<string>): Buffer =>
  createHmac("sha256", key).update(parts(texts)).digest()

const checkLength = (text: string, most: number) => {
  let length = 0
  for (const _ of text) length++
  if (length < 1 || length > most) throw new Refused("length")
}

const checkUserId = (userId: string) => {
  checkLength(userId, 200)
  if (!userId.isWellFormed() || userId.includes("\0")) throw new Refused("text")
}

const parseNumber = (phone: string): string => {
  const written = phone.replace(/\p{Cf}/gu, "").trim().replace(/^tel:(?=\+)/i, "").replace(/^\uFF0B/, "+")
  if (/;phone-context=/i.test(written)) throw new Refused("not a number")
  const parsed = parsePhoneNumberFromString(written, { extract: false })
  if (parsed === undefined || !/^\+[1-9]\d{1,14}$/.test(parsed.number)) throw new Refused("not a number")
  if (!parsed.isValid()) throw new Refused("not valid")
  const type = parsed.getType()
  if (type === undefined || !mobileTypes.has(type)) throw new Refused("type")
  return parsed.number
}

/** When there is room again, undefined when there is now. `times` are the latest charges, youngest first. */
const fullUntil = (times: ReadonlyArray<number>, at: number, windows: ReadonlyArray<Window>): number | undefined => {
  let until: number | undefined
  for (const { max, within } of windows) {
    const oldest = times[max - 1]
    if (oldest === undefined) continue
    const free = oldest + within
    if (free > at && (until === undefined || free > until)) until = free
  }
  return until
}

const evolve = (user: User, { at, change, sequence }: Event): User => {
  const base = { ...user, sequence, changedAt: at }
  switch (change.type) {
    case "changed":
      return { ...base, phone: { number: change.number, verified: false }, pending: undefined }
    case "code.added":
      return { ...base, pending: change.pending, wait: change.wait ?? user.wait }
    case "verified":
      return {
        ...base,
        phone: user.phone && { ...user.phone, verified: true },
        pending: undefined,
        proven: change.proven,
        guesses: { wrongInARow: 0, wrongAt: user.guesses.wrongAt }
      }
    case "verification.failed":
      return {
        ...base,
        pending: user.pending && { ...user.pending, wrongGuesses: user.pending.wrongGuesses + 1 },
        guesses: {
          wrongInARow: user.guesses.wrongInARow + 1,
          wrongAt: [at, ...user.guesses.wrongAt].slice(0, 100)
        }
      }
  }
}

const record = (before: User, changes: ReadonlyArray<Change>, now: number) => {
  const events: Array<Event> = []
  let after = before
  for (const change of changes) {
    const at = after.changedAt === undefined ? now : Math.max(now, after.changedAt)
    const event = { sequence: after.sequence + 1n, at, change }
    events.push(event)
    after = evolve(after, event)
  }
  return { before, after, events }
}

/** The tables of a database, in memory. */
const makeStore = () => {
  const users = new Map<string, { state: User; readonly events: Array<Event> }>()
  const outbox = new Map<string, { readonly message: Message; state: "queued"; attempts: number; dueAt: number }>()
  const counters = new Map<string, { readonly times: ReadonlyArray<number>; readonly keptUntil: number }>()

  return {
    users,
    async load(userId: string) {
      return users.get(userId)?.state
    },
    async commit({ after, before, charges, events, messages }: Commit) {
      const row = users.get(before.userId)
      if (row === undefined || row.state.sequence !== before.sequence) return "LostRace"
      for (const { at, counter, windows } of charges) {
        if (fullUntil(counters.get(counter)?.times ?? [], at, windows) !== undefined) return "LimitReached"
      }
      row.state = after
      row.events.push(...events)
      const now = events.at(-1)!.at
      for (const { at, checkOnly, counter, windows } of charges) {
        if (checkOnly === true) continue
        const known = counters.get(counter)
        const most = Math.max(...windows.map(({ max }) => max))
        const end = at + Math.max(...windows.map(({ within }) => within))
        counters.delete(counter)
        counters.set(counter, {
          times: [at, ...known?.times ?? []].slice(0, most),
          keptUntil: Math.max(known?.keptUntil ?? 0, end)
        })
      }
      for (const message of messages) {
        outbox.set(message.messageId, { message, state: "queued", attempts: 0, dueAt: message.createdAt })
      }
      for (const [counter, { keptUntil }] of counters) {
        if (keptUntil > now) break
        counters.delete(counter)
      }
      return "Committed"
    }
  }
}

export const make = () => {
  const store = makeStore()
  const [keyId, digestKey, fingerprintKey] = ["key", deriveKey("digest"), deriveKey("fingerprint")]
  const sealKey = deriveKey("seal")
  const queues = new Map<string, { last: Promise<unknown>; length: number }>()

  /** Runs calls on one user one after the other. */
  const inTurn = async <A>(userId: string, work: () => Promise<A>): Promise<A> => {
    const queue = queues.get(userId) ?? { last: Promise.resolve(), length: 0 }
    if (queue.length >= 64) throw new Refused("too many calls")
    queues.set(userId, queue)
    queue.length++
    const result = queue.length === 1 ? work() : queue.last.then(work, work)
    queue.last = result
    try {
      return await result
    } finally {
      if (--queue.length === 0) queues.delete(userId)
    }
  }

  const holds = (actor: Actor, organization: string) => actor.grants.get(organization)?.has("user.write") ?? false

  const admit = (actor: Actor, userId: string) => {
    if (actor.userId === userId) return
    for (const permissions of actor.grants.values()) if (permissions.has("user.write")) return
    throw new Refused("permission")
  }

  const load = async (actor: Actor, userId: string, onlyWriter: boolean) => {
    const user = await store.load(userId)
    if (user === undefined || user.kind === "machine") throw new Refused("not found")
    const self = actor.userId === userId
    if ((!self || onlyWriter) && !holds(actor, user.organization)) throw new Refused("not found")
    if (user.state === "initial") throw new Refused("not initialized")
    return user
  }

  const fingerprint = (number: string) => hmac(fingerprintKey, ["number", number]).toString("base64url")

  const digest = (userId: string, number: string, codeId: string, code: string) =>
    hmac(digestKey, ["code", keyId, userId, number, codeId, code])

  const seal = (body: object, messageId: string, userId: string, codeId: string | undefined): Buffer => {
    const nonce = randomBytes(12)
    const cipher = createCipheriv("aes-256-gcm", sealKey, nonce)
    cipher.setAAD(parts(["message", messageId, userId, codeId ?? "", keyId]))
    const box = cipher.update(JSON.stringify(body))
    cipher.final()
    return Buffer.concat([nonce, box, cipher.getAuthTag()])
  }

  const commit = async (change: Commit) => {
    const result = await store.commit(change)
    if (result !== "Committed") throw new Refused(result)
    const { after } = change
    return { sequence: after.sequence, changedAt: after.changedAt, organization: after.organization }
  }

  return {
    register(userId: string, organization: string) {
      const state: User = {
        userId,
        organization,
        kind: "human",
        state: "active",
        sequence: 0n,
        changedAt: undefined,
        phone: undefined,
        pending: undefined,
        proven: undefined,
        guesses: { wrongInARow: 0, wrongAt: [] },
        wait: undefined
      }
      store.users.set(userId, { state, events: [] })
    },

    async setPhone(actor: Actor, userId: string, phone: string, way: "SendCode" | "ReturnCode") {
      checkUserId(userId)
      checkLength(phone, 200)
      admit(actor, userId)
      return inTurn(userId, async () => {
        const user = await load(actor, userId, way === "ReturnCode")
        const now = Date.now()
        const number = parseNumber(phone)
        const mark = fingerprint(number)
        const codeId = randomUUID()
        const code = String(randomInt(1_000_000)).padStart(6, "0")
        const sent = way === "SendCode"
        const current: Code = {
          codeId,
          number: mark,
          digest: digest(userId, number, codeId, code).toString("base64url"),
          keyId,
          sent,
          createdAt: now,
          expiresAt: now + lifetime
        }
        if (actor.userId === userId && user.guesses.wrongInARow >= limits.wrongGuessesInARow) throw new Refused("off")
        if (user.phone?.number === number) throw new Refused("not changed")
        const changed: Change = { type: "changed", number }
        const pending: Pending = { current, resends: 0, wrongGuesses: 0 }
        const messages: Array<Message> = []
        const charges: Array<Charge> = []
        let added: Change = { type: "code.added", pending }
        if (sent) {
          if (user.wait !== undefined && user.wait.until > now) throw new Refused("wait")
          added = { ...added, wait: waitAfter(user.wait, now) }
          const messageId = randomUUID()
          const sealed = seal({ kind: "code", recipient: number, code }, messageId, userId, codeId)
          messages.push(
            { messageId, userId, kind: "code", codeId, keyId, sealed, createdAt: now, expiresAt: current.expiresAt }
          )
          const whose = user.proven === mark ? `holders-of-number/${mark}` : `number/${mark}`
          charges.push(
            { counter: `codes/${whose}`, reason: "CODES_PER_NUMBER", at: now, windows: limits.codesPerNumber },
            { counter: `codes/user/${userId}`, reason: "CODES_PER_USER", at: now, windows: limits.codesPerUser }
          )
        }
        if (user.phone?.verified === true && user.proven !== undefined) {
          const messageId = randomUUID()
          const body = { kind: "notice", recipient: user.phone.number, change: "replaced" }
          const sealed = seal(body, messageId, userId, undefined)
          const expiresAt = now + noticeLifetime
          messages.push({
            messageId,
            userId,
            kind: "notice",
            codeId: undefined,
            keyId,
            sealed,
            createdAt: now,
            expiresAt
          })
          const counter = `notices/number/${user.proven}`
          charges.push({ counter, reason: "NOTICES_PER_NUMBER", at: now, windows: limits.noticesPerNumber })
        }
        const details = await commit({ ...record(user, [changed, added], now), messages, charges })
        return { details, verificationCode: sent ? undefined : code }
      })
    },

    async verifyPhone(actor: Actor, userId: string, typed: string) {
      checkUserId(userId)
      checkLength(typed, 20)
      const guess = typed.normalize("NFKC").replace(/[\s\p{Pd}\u2212\p{Cf}]/gu, "")
      if (guess === "") throw new Refused("blank")
      admit(actor, userId)
      return inTurn(userId, async () => {
        const user = await load(actor, userId, false)
        const now = Date.now()
        const { guesses, pending, phone } = user
        if (guesses.wrongInARow >= limits.wrongGuessesInARow) throw new Refused("off")
        if (fullUntil(guesses.wrongAt, now, [limits.wrongGuessesPerUser]) !== undefined) throw new Refused("too many")
        const mark = phone && fingerprint(phone.number)
        if (phone === undefined || pending === undefined || pending.current.number !== mark) {
          throw new Refused("no code")
        }
        if (pending.wrongGuesses >= limits.guessesPerCode) throw new Refused("spent")
        const { current, previous } = pending
        if (current.expiresAt <= now) throw new Refused("expired")
        const codes = previous?.number === mark && previous.expiresAt > now ? [current, previous] : [current]
        let right = false
        for (const code of codes) {
          const expected = Buffer.from(code.digest, "base64url")
          if (timingSafeEqual(expected, digest(userId, phone.number, code.codeId, guess))) right = true
        }
        const change: Change = right
          ? { type: "verified", proven: current.number }
          : { type: "verification.failed", codeId: current.codeId }
        const whose = user.proven === mark ? `holders-of-number/${mark}` : `number/${mark}`
        const charges: Array<Charge> = codes.some(({ sent }) => sent)
          ? [{
            counter: `wrong-guesses/${whose}`,
            reason: "WRONG_GUESSES_PER_NUMBER",
            at: now,
            windows: limits.wrongGuessesPerNumber,
            checkOnly: right
          }]
          : []
        const details = await commit({ ...record(user, [change], now), messages: [], charges })
        if (!right) throw new Refused("wrong")
        return { details }
      })
    }
  }
}

const waitAfter = (last: Wait | undefined, now: number): Wait => {
  const { first, jitter, longest } = limits.wait
  const highest = Math.max(0, Math.ceil(Math.log2(longest / first)))
  const quiet = last === undefined ? 0 : Math.floor((now - last.sentAt) / hour)
  const step = last === undefined ? 0 : Math.min(highest, Math.max(0, last.step + 1 - quiet))
  const planned = Math.min(first * 2 ** step, longest)
  const drawn = Math.round(planned * (1 + jitter * Math.random()))
  return { step, sentAt: now, until: now + Math.min(drawn, longest) }
}

/**
 * The port that makes one-time codes and reads them as people type them, and the generator that ships with it: uniform
 * over its alphabet, from a cryptographic source.
 */
import * as Context from "effect/Context"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { asciiDigits } from "./internal/Digits.ts"

/**
 * Makes one-time codes of one format, and reads what was typed as one.
 *
 * @category services
 * @since 0.1.0
 */
export class CodeGenerator extends Context.Service<CodeGenerator, {
  /** How long a code may be used after it was made. */
  readonly lifetime: Duration.Duration
  /** A new code. All possible codes are equally likely. */
  readonly next: Effect.Effect<Redacted.Redacted>
  /** Brings typed text into the form of a code, and forgives what cannot be mistaken. The result may be empty. */
  readonly read: (typed: Redacted.Redacted) => Redacted.Redacted
}>()("effect-user-phone/core/CodeGenerator") {}

/**
 * What codes look like.
 *
 * @category options
 * @since 0.1.0
 */
export interface CodeFormat {
  /** The characters that a code is drawn from, each once. */
  readonly alphabet: string
  /** Characters per code. */
  readonly length: number
  /** At most a day. */
  readonly lifetime: Duration.Input
}

/**
 * Codes of this format could be guessed or could not be typed, would live too long, or the format is no format: `rule`
 * says what it must be. Unlike the errors of a request, this one stops the startup.
 *
 * @category errors
 * @since 0.1.0
 */
export class WeakCodeFormat extends Schema.TaggedError<WeakCodeFormat>()("WeakCodeFormat", {
  rule: Schema.String
}) {
  override get message() {
    return `code format refused: ${this.rule}`
  }
}

/** NIST SP 800-63B-4 §3.1.3.2 asks for six decimal digits or the equivalent. */
const fewestCodes = 1_000_000

/**
 * A generator over `SecureRandom` for codes of any format that is strong enough.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*({ alphabet, length, lifetime: lifetimeInput }: CodeFormat) {
  const random = yield* SecureRandom.SecureRandom
  const characters = Array.from(alphabet)
  const lifetime = Duration.fromInputUnsafe(lifetimeInput)
  if (new Set(characters).size !== characters.length) {
    return yield* new WeakCodeFormat({ rule: "the alphabet must not contain a character twice" })
  }
  if (/[\s\p{C}]/u.test(alphabet)) {
    return yield* new WeakCodeFormat({ rule: "the alphabet must not contain spaces or control characters" })
  }
  if (characters.length > mostCharacters) {
    return yield* new WeakCodeFormat({ rule: `the alphabet must have at most ${mostCharacters} characters` })
  }
  if (!Number.isInteger(length) || length < 1 || length > 20) {
    return yield* new WeakCodeFormat({ rule: "the length must be a whole number from 1 to 20" })
  }
  if (characters.length ** length < fewestCodes) {
    return yield* new WeakCodeFormat({ rule: `there must be at least ${fewestCodes} different codes` })
  }
  if (Duration.isGreaterThan(lifetime, Duration.days(1)) || !Duration.isGreaterThan(lifetime, Duration.zero)) {
    return yield* new WeakCodeFormat({ rule: "the lifetime must be more than nothing and at most a day" })
  }
  const draw = (missing: number): Effect.Effect<string> =>
    Effect.flatMap(drawIndices(random, characters.length, missing), (indices) => {
      const drawn = indices.map((index) => characters[index]).join("")
      return indices.length === missing
        ? Effect.succeed(drawn)
        : Effect.map(draw(missing - indices.length), (more) => drawn + more)
    })
  return CodeGenerator.of({
    lifetime,
    next: Effect.map(Effect.suspend(() => draw(length)), (code) => Redacted.make(code, { label: "code" })),
    read: (typed) => Redacted.make(forgive(alphabet, Redacted.value(typed)), { label: "code" })
  })
})

/** How many values two bytes can have. */
const mostCharacters = 0x10000

/**
 * Draws at most `count` numbers below `bound`, which is at most `mostCharacters`. Each number comes from two bytes;
 * those beyond the last whole multiple of `bound` are left out, so that no number is likelier than another.
 */
const drawIndices = ({ randomBytes }: SecureRandom.SecureRandom["Service"], bound: number, count: number) =>
  Effect.map(randomBytes(2 * count), (bytes) => {
    const limit = mostCharacters - (mostCharacters % bound)
    const indices: Array<number> = []
    for (let at = 0; at < bytes.length; at += 2) {
      const drawn = bytes[at]! * 256 + bytes[at + 1]!
      if (drawn < limit) indices.push(drawn % bound)
    }
    return indices
  })

/**
 * Removes spaces, hyphens and invisible characters; turns full-width characters and the digits of any script into plain
 * ones, and lower case into upper case if the alphabet has no lower case. A character of the alphabet is never touched.
 */
const forgive = (alphabet: string, typed: string): string => {
  const capitals = alphabet === alphabet.toUpperCase()
  return Array.from(typed, (character) => {
    if (alphabet.includes(character)) return character
    const plain = asciiDigits(character.normalize("NFKC").replace(/[\s\p{Pd}\u2212\p{Cf}]/gu, ""))
    return capitals ? plain.toUpperCase() : plain
  }).join("")
}

/**
 * A generator of codes of this format. It fails with `WeakCodeFormat` if there are too few such codes, or nobody could
 * type them.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (format: CodeFormat): Layer.Layer<CodeGenerator, WeakCodeFormat, SecureRandom.SecureRandom> =>
  Layer.effect(CodeGenerator, make(format))

/**
 * Digits and capitals that do not look alike, without vowels, so that no code is a word. Six of them make 47 million
 * codes.
 *
 * @category options
 * @since 0.1.0
 */
export const unambiguous = "34679CFHJKMNPRTVWXY"

/**
 * The formats with a name: `digits6`, the default, is what NIST and OWASP ask for; `zitadel` is what ZITADEL sends.
 *
 * @category options
 * @since 0.1.0
 */
export const presets = {
  digits6: { alphabet: "0123456789", length: 6, lifetime: "10 minutes" },
  zitadel: { alphabet: "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", length: 6, lifetime: "1 hour" }
} as const satisfies Record<string, CodeFormat>

/**
 * A generator by the name of its format.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerPreset = (
  name: keyof typeof presets
): Layer.Layer<CodeGenerator, never, SecureRandom.SecureRandom> => layer(presets[name]).pipe(Layer.orDie)

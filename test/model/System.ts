/**
 * The system as a sequence meets it: all operations over the stores that are given, under the sequence's settings, with
 * codes that are known here.
 */
import { NodeCrypto } from "@effect/platform-node"
import { Context, Duration, Effect, Layer, Redacted } from "effect"
import * as CryptoCodeVault from "../../src/adapters/CryptoCodeVault.ts"
import {
  Access,
  CodeGenerator,
  type Counters,
  Limits,
  Operations,
  PhoneNumber,
  ResendPhoneCode
} from "../../src/core/index.ts"
import type { Settings } from "./Script.ts"

/** What all sequences share. */
export const layerShared = Layer.merge(Access.layer, CryptoCodeVault.layerRandomKeys).pipe(
  Layer.provideMerge(NodeCrypto.layer)
)

/** The codes of a sequence in the order in which they were made. */
export class Issued extends Context.Service<Issued, Array<string>>()("test/model/Issued") {}

const codeOf = {
  digits6: (index: number) => String((index * 7919 + 12_345) % 10 ** 6).padStart(6, "0"),
  zitadel: (index: number) => ((index * 1_000_003 + 777_777_777) % 36 ** 6).toString(36).toUpperCase().padStart(6, "0")
}

/** A code that no sequence comes to make. */
export const neverMade = (preset: Settings["preset"]): string => codeOf[preset](900_000)

/** The real generator but for the codes, which are as good as counted. */
const layerCodes = (preset: Settings["preset"]) =>
  Layer.effectContext(Effect.gen(function*() {
    const generator = yield* CodeGenerator.make(CodeGenerator.presets[preset])
    const issued: Array<string> = []
    const next = Effect.sync(() => {
      const code = codeOf[preset](issued.length)
      issued.push(code)
      return Redacted.make(code)
    })
    return Context.make(CodeGenerator.CodeGenerator, { ...generator, next }).pipe(Context.add(Issued, issued))
  }))

type Changed = { -readonly [Limit in keyof Limits.Limits]?: Limits.Limits[Limit] }

const limitsOf = ({ limits }: Settings): Changed => {
  const window = ({ max, within }: { readonly max: number; readonly within: number }): Counters.Window => ({
    max,
    within: Duration.millis(within)
  })
  const changed: Changed = {}
  const {
    codesPerNumber,
    codesPerUser,
    noticesPerNumber,
    waitBetweenCodes,
    wrongGuessesPerNumber,
    wrongGuessesPerUser
  } = limits
  if (limits.guessesPerCode !== "default") changed.guessesPerCode = limits.guessesPerCode
  if (limits.wrongGuessesInARow !== "default") changed.wrongGuessesInARow = limits.wrongGuessesInARow
  for (const [name, limit] of Object.entries({ wrongGuessesPerUser, wrongGuessesPerNumber })) {
    if (limit !== "default") Object.assign(changed, { [name]: limit === "off" ? limit : window(limit) })
  }
  for (const [name, limit] of Object.entries({ codesPerNumber, codesPerUser, noticesPerNumber })) {
    if (limit !== "default") Object.assign(changed, { [name]: limit === "off" ? limit : limit.map(window) })
  }
  if (waitBetweenCodes === "off") changed.waitBetweenCodes = "off"
  else if (waitBetweenCodes !== "default") {
    const { first, jitter, longest } = waitBetweenCodes
    changed.waitBetweenCodes = { first: Duration.millis(first), longest: Duration.millis(longest), jitter }
  }
  return changed
}

/** The operations under these settings; what is `default` in them is left to the sources. */
export const layerOperations = (settings: Settings) => {
  const changed = limitsOf(settings)
  const limits = Object.keys(changed).length === 0
    ? Layer.empty
    : Layer.succeed(Limits.Limits, { ...Limits.defaults, ...changed })
  const grace = settings.grace === "default"
    ? Layer.empty
    : Layer.succeed(ResendPhoneCode.Grace, Duration.millis(settings.grace))
  const policy = Layer.succeed(PhoneNumber.PhonePolicy, { accept: "mobile", regions: ["CH"] })
  return Operations.layer.pipe(
    Layer.provide(Layer.mergeAll(limits, grace, policy)),
    Layer.provideMerge(layerCodes(settings.preset))
  )
}

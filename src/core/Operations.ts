/**
 * All operations as one layer, for a host or a transport that offers them all.
 */
import type * as SecureRandom from "effect/crypto/SecureRandom"
import * as Layer from "effect/Layer"
import type { Access } from "./Access.ts"
import type { CodeGenerator } from "./CodeGenerator.ts"
import type { CodeVault } from "./CodeVault.ts"
import * as GetPhone from "./GetPhone.ts"
import type { LimitsRefused } from "./Limits.ts"
import type { Outbox } from "./Outbox.ts"
import * as RemovePhone from "./RemovePhone.ts"
import * as ResendPhoneCode from "./ResendPhoneCode.ts"
import * as SetPhone from "./SetPhone.ts"
import * as UnlockPhoneVerification from "./UnlockPhoneVerification.ts"
import type { UserStore } from "./UserStore.ts"
import * as VerifyPhone from "./VerifyPhone.ts"

/**
 * All operations.
 *
 * @category models
 * @since 0.1.0
 */
export type Operations =
  | SetPhone.SetPhone
  | VerifyPhone.VerifyPhone
  | ResendPhoneCode.ResendPhoneCode
  | RemovePhone.RemovePhone
  | GetPhone.GetPhone
  | UnlockPhoneVerification.UnlockPhoneVerification

/**
 * All operations over their ports; fails with `LimitsRefused` where the limits in force cannot be kept.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<
  Operations,
  LimitsRefused,
  Access | UserStore | Outbox | CodeGenerator | CodeVault | SecureRandom.SecureRandom
> = Layer.mergeAll(
  SetPhone.layer,
  VerifyPhone.layer,
  ResendPhoneCode.layer,
  RemovePhone.layer,
  GetPhone.layer,
  UnlockPhoneVerification.layer
)

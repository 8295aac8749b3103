/**
 * A circuit breaker: whether a provider may be tried now, by how it went before.
 *
 * It opens after several failures in a row, or at once when it is told to, and lets one attempt through when its pause is
 * over: a probe, on which it closes, or opens for twice as long. What happens to it is known in this process only.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"

export interface CircuitBreakerOptions {
  /** How many failures in a row open it. */
  readonly failures: number
  /** How long it stays open at first, doubled with every probe that fails. */
  readonly pause: Duration.Duration
  readonly longestPause: Duration.Duration
}

export class CircuitBreaker {
  private readonly options: CircuitBreakerOptions
  private failures = 0
  private pauses = 0
  private openUntil: DateTime.Utc | undefined = undefined
  private isProbing = false

  constructor(options: CircuitBreakerOptions) {
    this.options = options
  }

  get isOpen(): boolean {
    return this.openUntil !== undefined
  }

  /** When an attempt may be made, undefined for now. While a probe is out, others wait for what comes of it. */
  closedUntil(now: DateTime.Utc): DateTime.Utc | undefined {
    if (this.openUntil === undefined) return undefined
    if (DateTime.isGreaterThan(this.openUntil, now)) return this.openUntil
    return this.isProbing ? DateTime.add(now, { seconds: 1 }) : undefined
  }

  /** Begins an attempt, which has to end as one of the following. Only while `closedUntil` is undefined. */
  begin(): void {
    if (this.openUntil !== undefined) this.isProbing = true
  }

  /** The provider answered. Tells whether that closes the breaker. */
  succeed(): boolean {
    const closes = this.isOpen
    this.failures = 0
    this.pauses = 0
    this.openUntil = undefined
    this.isProbing = false
    return closes
  }

  /** The provider failed. Tells whether that opens the breaker. `chance` is from 0 up to 1. */
  fail(now: DateTime.Utc, chance: number): boolean {
    if (!this.isProbing && ++this.failures < this.options.failures) return false
    return this.open(now, chance)
  }

  /** Opens it whatever went before. Tells whether it was closed, but for probes. */
  open(now: DateTime.Utc, chance: number): boolean {
    const opens = !this.isOpen
    const { longestPause, pause } = this.options
    const planned = Duration.min(Duration.times(pause, 2 ** this.pauses), longestPause)
    this.openUntil = DateTime.addDuration(now, Duration.times(planned, 1 + 0.1 * chance))
    this.pauses = Math.min(this.pauses + 1, 16)
    this.isProbing = false
    return opens
  }

  /** The provider asked for a pause, which is no failure. */
  pauseUntil(until: DateTime.Utc): void {
    this.openUntil = this.openUntil === undefined ? until : DateTime.max(this.openUntil, until)
    this.isProbing = false
  }

  /** Nothing came of the attempt. */
  abandon(): void {
    this.isProbing = false
  }
}

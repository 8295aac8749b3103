/**
 * One request to a provider over Effect's HTTP client: sent once, never redirected, never traced by the client, since
 * it holds credentials, number and text. Only the first part of the answer is read, which is more than any provider
 * needs. Interruption closes the connection.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { SmsNotSent } from "../../core/SmsNotifier.ts"
import { notSent } from "./Refusal.ts"

/** What came back, whatever its status. */
export interface Answer {
  readonly status: number
  /** At most the first 64 KiB of it. */
  readonly body: string
  /** From `Retry-After`, in seconds or as a date; undefined when it is missing or unreadable. */
  readonly retryAfter: Duration.Duration | undefined
}

/** Whether the provider has taken it. */
export const isAccepted = ({ status }: Answer): boolean => status >= 200 && status <= 299

/** The error for a successful answer that cannot be read. */
export const unreadable: SmsNotSent = notSent("Transient", "unreadable answer")

/** An API's address, to which a path is added. */
export const baseOf = (address: string): string => address.replace(/\/+$/, "")

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Sends requests with the client in context. */
export const makePost = Effect.gen(function*() {
  const client = yield* HttpClient.HttpClient
  const fetchOptions = Option.getOrElse(yield* Effect.serviceOption(FetchHttpClient.RequestInit), () => ({}))

  const send = Effect.fnUntraced(function*(request: HttpClientRequest.HttpClientRequest) {
    const sent = client.execute(HttpClientRequest.acceptJson(request))
    const response = yield* Effect.mapError(sent, () => notSent("Transient", "connection failed"))
    const body = yield* Effect.mapError(textOf(response), () => notSent("Transient", "connection failed"))
    const header = response.headers["retry-after"]
    return {
      status: response.status,
      body,
      retryAfter: header === undefined ? undefined : retryAfterOf(header, yield* DateTime.now)
    }
  })

  return (request: HttpClientRequest.HttpClientRequest): Effect.Effect<Answer, SmsNotSent> =>
    send(request).pipe(
      Effect.provideService(HttpClient.TracerDisabledWhen, () => true),
      // Only fetch follows redirects by itself.
      Effect.provideService(FetchHttpClient.RequestInit, { ...fetchOptions, redirect: "manual" })
    )
})

/**
 * How many bytes of an answer's body are read: what counts never takes more, and a body that never ends fills no
 * memory.
 */
const longestBody = 64 * 1024

/** The body as text, up to where it is cut off. */
const textOf = (response: HttpClientResponse.HttpClientResponse) => isShort(response) ? response.text : cutOff(response)

/**
 * Whether the answer declares a body that is read to its end: then no more can come, and reading it costs a third as
 * much.
 */
const isShort = ({ headers }: HttpClientResponse.HttpClientResponse): boolean =>
  headers["content-encoding"] === undefined && Number(headers["content-length"] ?? Infinity) <= longestBody

const cutOff = (response: HttpClientResponse.HttpClientResponse) =>
  Effect.suspend(() => {
    const decoder = new TextDecoder()
    let text = ""
    let room = longestBody
    return Stream.runForEachWhile(response.stream, (chunk) =>
      Effect.sync(() => {
        text += decoder.decode(chunk.subarray(0, room), { stream: true })
        room -= chunk.length
        return room > 0
      })).pipe(
        // Some clients have no stream if there is no body.
        Effect.catchIf(({ reason }) => reason._tag === "EmptyBodyError", () => Effect.void),
        Effect.map(() => text + decoder.decode())
      )
  })

/** Posts forms with the client in context. Fields that are undefined are left out. */
export const makePostForm = Effect.map(makePost, (post) =>
(
  request: HttpClientRequest.HttpClientRequest,
  form: Readonly<Record<string, string | undefined>>
) => {
  const fields = Object.entries(form).filter((field): field is [string, string] => field[1] !== undefined)
  return post(HttpClientRequest.bodyUrlParams(request, fields))
})

/** Reads a `Retry-After`. A date in the past is no wait. */
export const retryAfterOf = (header: string, now: DateTime.Utc): Duration.Duration | undefined => {
  const text = header.trim()
  if (/^\d{1,9}$/.test(text)) return Duration.seconds(Number(text))
  // A text that does not begin with letters is no HTTP date, though many numbers could be parsed as one.
  const at = /^[A-Za-z]{3}/.test(text) ? DateTime.make(text) : Option.none()
  return Option.getOrUndefined(
    Option.map(at, (at) => Duration.millis(Math.max(0, at.epochMilliseconds - now.epochMilliseconds)))
  )
}

/** The URL that a provider reports on one message to: the id is added to the path; a query is left out. */
export const callbackUrlOf = (base: URL, receiptId: string): string =>
  `${base.origin}${baseOf(base.pathname)}/${encodeURIComponent(receiptId)}`

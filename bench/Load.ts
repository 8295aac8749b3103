/**
 * HTTP/1.1 requests from raw sockets, so that the load costs less than what it loads. Answers have to be 200, and of a known
 * length or in chunks; anything else ends the run.
 */
import * as Net from "node:net"

export interface Load {
  readonly url: string
  /** The requests, one after the other, as bytes. */
  readonly next: () => Buffer
}

/** A request as bytes. */
export const post = (url: string, path: string, headers: Readonly<Record<string, string>>, body: string): Buffer => {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join("")
  const length = Buffer.byteLength(body)
  return Buffer.from(
    `POST ${path} HTTP/1.1\r\nhost: ${
      new URL(url).host
    }\r\n${lines}content-type: application/json\r\ncontent-length: ${length}\r\n\r\n${body}`
  )
}

let [numbers, turns] = [41_780_000_000, 0]

/**
 * SetPhone with another number each time, for users from `user-0` on: one after the other, also over several loads, or any of
 * them.
 */
export const setPhone = (
  { token, url }: { readonly url: string; readonly token?: string | undefined },
  { choice = "returnCode", order = "in turn", users }: {
    readonly users: number
    readonly order?: "in turn" | "random"
    readonly choice?: "returnCode" | "sendCode"
  }
): Load => ({
  url,
  next: () => {
    const user = order === "in turn" ? turns++ % users : Math.floor(Math.random() * users)
    return post(
      url,
      `/v2/users/user-${user}/phone`,
      token === undefined ? {} : { authorization: `Bearer ${token}` },
      `{"phone":"+${++numbers}","${choice}":{}}`
    )
  }
})

/** One connection, with one request at a time. */
const connect = (url: string) =>
  new Promise<{ readonly send: (request: Buffer) => Promise<void>; readonly close: () => void }>((opened, refused) => {
    const { hostname, port } = new URL(url)
    const socket = Net.connect({ host: hostname, port: Number(port), noDelay: true })
    let received = ""
    let waiting: { readonly done: () => void; readonly failed: (error: Error) => void } | undefined
    const fail = (error: Error) => {
      refused(error)
      waiting?.failed(error)
      waiting = undefined
    }
    socket.once("connect", () =>
      opened({
        send: (request) =>
          new Promise((done, failed) => {
            if (socket.destroyed) return failed(new Error("the connection was closed"))
            waiting = { done, failed }
            socket.write(request)
          }),
        close: () => socket.destroy()
      }))
    socket.on("error", fail)
    socket.on("close", () => fail(new Error("the connection was closed")))
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1")
      const head = received.indexOf("\r\n\r\n")
      if (head < 0) return
      const complete = isComplete(received, head)
      if (complete === undefined) return fail(new Error(`no content-length: ${received.slice(0, head)}`))
      if (!complete) return
      const answer = received
      received = ""
      const { done, failed } = waiting!
      waiting = undefined
      if (answer.startsWith("HTTP/1.1 200 ")) done()
      else failed(new Error(`refused: ${answer}`))
    })
  })

/** Whether all of an answer is there, undefined where it does not say how much that is. */
const isComplete = (received: string, head: number): boolean | undefined => {
  const fields = received.slice(0, head)
  const length = /\r\ncontent-length: *(\d+)/i.exec(fields)?.[1]
  if (length !== undefined) return received.length >= head + 4 + Number(length)
  return /\r\ntransfer-encoding: *chunked/i.test(fields) ? received.endsWith("\r\n0\r\n\r\n") : undefined
}

export interface Result {
  /** Requests per second. */
  readonly rate: number
  /** How long each request took, in milliseconds, in ascending order. */
  readonly latencies: Float64Array
}

/** So many connections, each of which sends its next request when it has the answer to its last one. */
export const closedLoop = async (
  { next, url }: Load,
  { calls, connections }: { readonly calls: number; readonly connections: number }
): Promise<Result> => {
  const sockets = await Promise.all(Array.from({ length: connections }, () => connect(url)))
  const latencies = new Float64Array(calls)
  let at = 0
  const begin = performance.now()
  await Promise.all(sockets.map(async ({ send }) => {
    while (at < calls) {
      const index = at++
      const request = next()
      const sent = performance.now()
      await send(request)
      latencies[index] = performance.now() - sent
    }
  }))
  const seconds = (performance.now() - begin) / 1000
  for (const { close } of sockets) close()
  return { rate: calls / seconds, latencies: latencies.toSorted() }
}

/**
 * Requests that come at random times, so many a second on average, whether or not the ones before are answered. Latencies
 * count from when a request was to be sent; one that finds no connection free waits for one.
 */
export const openLoop = async (
  { next, url }: Load,
  { connections = 256, rate, seconds }: {
    readonly rate: number
    readonly seconds: number
    readonly connections?: number
  }
): Promise<Result> => {
  const sockets = await Promise.all(Array.from({ length: connections }, () => connect(url)))
  const free = Array.from(sockets)
  const calls = Math.round(rate * seconds)
  const latencies = new Float64Array(calls)
  const begin = performance.now()
  const waiting: Array<{ readonly index: number; readonly due: number }> = []
  let [answered, due] = [0, begin]
  await new Promise<void>((done, failed) => {
    const sendWaiting = (): void => {
      while (free.length > 0 && waiting.length > 0) {
        // The one that has rested longest: none rests so long that its server closes it.
        const socket = free.shift()!
        const { due, index } = waiting.shift()!
        socket.send(next()).then(() => {
          latencies[index] = performance.now() - due
          free.push(socket)
          if (++answered === calls) done()
          else sendWaiting()
        }, failed)
      }
    }
    let index = 0
    const arrive = (): void => {
      const now = performance.now()
      while (index < calls && due <= now) {
        waiting.push({ index: index++, due })
        due -= Math.log(1 - Math.random()) * 1000 / rate
      }
      sendWaiting()
      // Timers are no finer than a millisecond.
      if (index < calls) setTimeout(arrive, Math.max(1, due - performance.now()))
    }
    arrive()
  })
  const elapsed = (performance.now() - begin) / 1000
  for (const { close } of sockets) close()
  return { rate: calls / elapsed, latencies: latencies.toSorted() }
}

/** The value that this share of the ascending values does not exceed. */
export const quantile = (ascending: Float64Array, share: number): number =>
  ascending[Math.min(ascending.length - 1, Math.floor(ascending.length * share))]!

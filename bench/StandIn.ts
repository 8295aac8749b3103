/**
 * A provider of SMS that takes every message at once and remembers the codes. It reads from raw sockets, so that it costs less
 * than those who post to it.
 */
import { Effect } from "effect"
import { once } from "node:events"
import { type AddressInfo, createServer, type Socket } from "node:net"

const accepted = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"

/** Reads bodies like the product's webhook: the number and the code are among the `args`. */
export const start = Effect.gen(function*() {
  /** The newest code of each number. */
  const codes = new Map<string, string>()
  let messages = 0
  let target = 0
  let reached: (() => void) | undefined

  const take = (body: string) => {
    const { args } = JSON.parse(body) as { readonly args: { readonly lastPhone: string; readonly code: string } }
    codes.set(args.lastPhone, args.code)
    messages++
    if (codes.size >= target) reached?.()
  }
  const serve = (socket: Socket) => {
    let received = ""
    socket.on("error", () => socket.destroy())
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1")
      for (;;) {
        const head = received.indexOf("\r\n\r\n")
        if (head < 0) return
        const length = Number(/\r\ncontent-length: *(\d+)/i.exec(received.slice(0, head))?.[1])
        if (!(length > 0)) return socket.destroy(new Error("a message without a length"))
        const end = head + 4 + length
        if (received.length < end) return
        take(received.slice(head + 4, end))
        received = received.slice(end)
        socket.write(accepted)
      }
    })
  }
  const sockets = new Set<Socket>()
  const server = yield* Effect.acquireRelease(
    Effect.sync(() =>
      createServer({ noDelay: true }, (socket) => {
        sockets.add(socket.once("close", () => sockets.delete(socket)))
        serve(socket)
      }).listen(0, "127.0.0.1")
    ),
    (server) =>
      Effect.sync(() => {
        server.close()
        for (const socket of sockets) socket.destroy()
      })
  )
  yield* Effect.promise(() => once(server, "listening"))

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    /** The code that a number was sent. */
    codeOf: (number: string) => codes.get(number),
    /** How many messages came, those that came again included. */
    count: () => messages,
    /** Waits until so many numbers more than now will have been sent a code; the answer waits at most a minute. */
    expect: (numbers: number) => {
      target = codes.size + numbers
      return new Promise<void>((done, failed) => {
        const timer = setTimeout(
          () => failed(new Error(`${target - codes.size} of ${numbers} messages did not come`)),
          60_000
        )
        reached = () => {
          clearTimeout(timer)
          reached = undefined
          done()
        }
      })
    }
  }
})

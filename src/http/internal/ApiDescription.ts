/**
 * Adds what the generated OpenAPI description leaves out: choices, which bodies may be missing, which headers come with
 * a status, and that either side may send members that are not described.
 */
type Json = Record<string, any>

export const complete = (spec: Json): Json => {
  const described = open(spec) as Json
  for (const name of ["SetPhoneRequest", "ResendPhoneCodeRequest"]) {
    const schema = described["components"].schemas[name]
    const members = ["sendCode", "returnCode", "isVerified"].filter((member) => member in schema.properties)
    const pairs = members.flatMap((one, index) => members.slice(index + 1).map((other) => ({ required: [one, other] })))
    schema.not = { anyOf: pairs }
  }
  for (const operation of Object.values<Json>(described["paths"]).flatMap((methods) => Object.values<Json>(methods))) {
    const { operationId, requestBody, responses } = operation
    if (/resendPhoneCode/.test(operationId)) requestBody.required = false
    for (const [status, headers] of Object.entries(headersOf)) {
      if (status in responses) responses[status].headers = headers
    }
  }
  return described
}

const retryAfter = {
  "retry-after": { schema: { type: "integer", minimum: 1 }, description: "Seconds after which to try again." }
}

const headersOf: Readonly<Record<string, Json>> = {
  401: { "www-authenticate": { schema: { type: "string", enum: ["Bearer"] } } },
  429: retryAfter,
  503: retryAfter
}

/** Protobuf's JSON mapping accepts unknown members, and newer servers may send more of them. */
const open = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(open)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name, member]) => name !== "additionalProperties" || member !== false)
      .map(([name, member]) => [name, open(member)])
  )
}

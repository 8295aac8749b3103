/** What a host gets described that has the phone's operations beside its own. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { PhoneApi } from "../../src/http/index.ts"

const Invoice = Schema.Struct({ total: Schema.Natural }).annotate({ identifier: "Invoice" })

const hosts = HttpApiGroup.make("invoices").add(
  HttpApiEndpoint.put("putInvoice", "/invoices/resend", { payload: Invoice, success: Invoice })
)

describe("a host's description", () => {
  it("has the phone's operations in it, and its own as they are", () => {
    const alone = OpenApi.fromApi(HttpApi.make("host").add(hosts))
    for (const api of [HttpApi.make("host").addHttpApi(PhoneApi.PhoneApi).add(hosts), PhoneApi.PhoneApi.add(hosts)]) {
      const { components, paths } = OpenApi.fromApi(api)
      assert.containsAllKeys(paths, ["/v2/users/{userId}/phone", "/invoices/resend"])
      assert.deepStrictEqual(paths["/invoices/resend"], alone.paths["/invoices/resend"])
      assert.deepStrictEqual(components.schemas["Invoice"], alone.components.schemas["Invoice"])
      assert.propertyVal(components.schemas["Invoice"], "additionalProperties", false)
    }
  })

  it("completes the phone's operations where they are the description's own, also under a prefix", () => {
    const beside = OpenApi.fromApi(PhoneApi.PhoneApi.add(hosts))
    const under = OpenApi.fromApi(PhoneApi.PhoneApi.prefix("/api"))
    for (const [{ components, paths }, prefix] of [[beside, ""], [under, "/api"]] as const) {
      assert.notProperty(components.schemas["SetPhoneRequest"], "additionalProperties")
      assert.property(components.schemas["SetPhoneRequest"], "not")
      const { requestBody, responses } = paths[`${prefix}/v2/users/{userId}/phone/resend`]!.post!
      assert.propertyVal(requestBody, "required", false)
      assert.property((responses as Record<string, object>)["401"], "headers")
    }
  })
})

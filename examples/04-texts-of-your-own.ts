/** Texts in the user's language, some of them of your own, and a line that lets browsers fill the code in. */
import { Console, Effect, Redacted } from "effect"
import { SmsText } from "effect-user-phone"
import * as IcuSmsText from "effect-user-phone/adapters/IcuSmsText"

const layerTexts = IcuSmsText.layer({
  host: "example.com",
  templates: {
    // Replaces one text; the other German ones stay.
    de: { code: "{code} ist dein Code, noch {minutes, plural, one {# Minute} other {# Minuten}} lang." },
    // Adds a language.
    af: {
      code: "{code} is jou kode. Dit verval oor {minutes, plural, one {# minuut} other {# minute}}.",
      replaced: "Hierdie nommer is in jou rekening vervang. As dit nie jy was nie, kontak ons.",
      removed: "Hierdie nommer is uit jou rekening verwyder. As dit nie jy was nie, kontak ons."
    }
  }
})

Effect.gen(function*() {
  const { render } = yield* SmsText.SmsText
  for (const language of ["de-CH", "af-ZA", "fr"]) {
    const text = yield* render({ kind: "code", code: Redacted.make("747723"), minutes: 10, language })
    yield* Console.log(`${language}: ${Redacted.value(text)}`)
  }
}).pipe(Effect.provide(layerTexts), Effect.runPromise)

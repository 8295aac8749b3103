/**
 * The texts that ship, by language, in ICU message syntax. Each fits one SMS with a code of eight characters, 1440
 * minutes and a line for a host of twenty.
 *
 * That leaves 37 characters for a code in a language whose letters are not in the alphabet of SMS (`SmsSegments.ts`).
 * Some languages are worded within that alphabet, where this is correct and natural: that leaves them 127. Arabic and
 * Hebrew end a line after the code, so that no words before or after it can move it.
 */
import type { MessageName } from "./Template.ts"

/** The longest host for which one SMS is enough in every language. */
export const roomForHost = 20

export const builtIn: Readonly<Record<string, Readonly<Record<MessageName, string>>>> = {
  ar: {
    code:
      "رمزك: {code}\nصالح لمدة {minutes, plural, one {دقيقة واحدة} two {دقيقتين} few {# دقائق} many {# دقيقة} other {# دقيقة}}",
    replaced: "تم استبدال هذا الرقم في حسابك. إن لم تقم بذلك، فتواصل مع الدعم.",
    removed: "تمت إزالة هذا الرقم من حسابك. إن لم تقم بذلك، فتواصل مع الدعم."
  },
  bg: {
    code: "Кодът Ви: {code}. Важи {minutes, plural, one {# минута} other {# минути}}.",
    replaced: "Този номер бе заменен в профила Ви. Ако не сте били Вие, пишете ни.",
    removed: "Този номер бе изтрит от профила Ви. Ако не сте били Вие, пишете ни."
  },
  cs: {
    code: "Váš kód: {code}. Platí {minutes, plural, one {# minutu} few {# minuty} other {# minut}}.",
    replaced: "Toto číslo bylo ve vašem účtu nahrazeno. Nebyli jste to vy? Ozvěte se.",
    removed: "Toto číslo bylo odebráno z vašeho účtu. Nebyli jste to vy? Ozvěte se."
  },
  da: {
    code:
      "{code} er din bekræftelseskode. Den gælder i {minutes, plural, one {# minut} other {# minutter}}. Del den ikke med andre.",
    replaced:
      "Dette telefonnummer er blevet erstattet af et andet på din konto. Kontakt support, hvis det ikke var dig.",
    removed: "Dette telefonnummer er blevet fjernet fra din konto. Kontakt support, hvis det ikke var dig."
  },
  de: {
    code:
      "{code} ist Ihr Bestätigungscode. Er gilt {minutes, plural, one {# Minute} other {# Minuten}}. Geben Sie ihn nicht weiter.",
    replaced:
      "Diese Telefonnummer wurde in Ihrem Konto durch eine andere ersetzt. Wenn Sie das nicht waren, wenden Sie sich an den Support.",
    removed:
      "Diese Telefonnummer wurde aus Ihrem Konto entfernt. Wenn Sie das nicht waren, wenden Sie sich an den Support."
  },
  el: {
    code: "Κωδικός: {code}. Ισχύει {minutes, plural, one {# λεπτό} other {# λεπτά}}.",
    replaced: "Ο αριθμός άλλαξε στον λογαριασμό σας. Δεν ήσασταν εσείς; Γράψτε μας.",
    removed: "Ο αριθμός αφαιρέθηκε από τον λογαριασμό. Αν όχι από εσάς, γράψτε μας."
  },
  en: {
    code:
      "{code} is your verification code. It is valid for {minutes, plural, one {# minute} other {# minutes}}. Do not share it.",
    replaced: "This phone number was replaced in your account. If this was not you, contact support.",
    removed: "This phone number was removed from your account. If this was not you, contact support."
  },
  es: {
    code:
      "{code} es su clave de un solo uso para verificar este teléfono. Vence en {minutes, plural, one {# minuto} other {# minutos}}. No la comparta.",
    replaced: "Este teléfono fue reemplazado por otro en su cuenta. Si no fue usted, contacte con soporte.",
    removed: "Este teléfono fue eliminado de su cuenta. Si no fue usted, contacte con soporte."
  },
  fi: {
    code:
      "{code} on vahvistuskoodisi. Se on voimassa {minutes, plural, one {# minuutin} other {# minuuttia}}. Älä jaa sitä muille.",
    replaced: "Tämä puhelinnumero on vaihdettu toiseen tililläsi. Jos et tehnyt tätä itse, ota yhteyttä asiakastukeen.",
    removed: "Tämä puhelinnumero on poistettu tililtäsi. Jos et tehnyt tätä itse, ota yhteyttä asiakastukeen."
  },
  fr: {
    code:
      "{code} est votre code de vérification. Il expire dans {minutes, plural, one {# minute} other {# minutes}}. Ne le partagez pas.",
    replaced:
      "Ce numéro de téléphone a été remplacé par un autre dans votre compte. Si ce n'était pas vous, contactez l'assistance.",
    removed: "Ce numéro de téléphone a été supprimé de votre compte. Si ce n'était pas vous, contactez l'assistance."
  },
  he: {
    code: "קוד אימות: {code}\nבתוקף {minutes, plural, one {לדקה אחת} two {לשתי דקות} other {ל-# דקות}}",
    replaced: "מספר הטלפון הזה הוחלף בחשבון שלכם. אם לא ביקשתם זאת, פנו לתמיכה.",
    removed: "מספר הטלפון הזה הוסר מהחשבון שלכם. אם לא ביקשתם זאת, פנו לתמיכה."
  },
  hi: {
    code: "OTP: {code}। {minutes} मिनट तक मान्य है।",
    replaced: "यह नंबर आपके खाते में बदल दिया गया है। आपने नहीं बदला? हमें बताएं।",
    removed: "यह नंबर आपके खाते से हटा दिया गया है। आपने नहीं हटाया? हमें बताएं।"
  },
  hu: {
    code: "Kód: {code}. {minutes} percig érvényes.",
    replaced: "Ezt a számot lecserélték a fiókjában. Ha nem Ön tette, jelezze nekünk!",
    removed: "Ezt a számot törölték a fiókjából. Ha nem Ön tette, jelezze nekünk!"
  },
  id: {
    code: "{code} adalah kode verifikasi Anda. Berlaku selama {minutes} menit. Jangan berikan kepada siapa pun.",
    replaced:
      "Nomor telepon ini telah diganti dengan nomor lain di akun Anda. Jika bukan Anda yang melakukannya, hubungi layanan pelanggan.",
    removed:
      "Nomor telepon ini telah dihapus dari akun Anda. Jika bukan Anda yang melakukannya, hubungi layanan pelanggan."
  },
  it: {
    code:
      "{code} è il tuo codice di verifica. Scade tra {minutes, plural, one {# minuto} other {# minuti}}. Non condividerlo.",
    replaced:
      "Questo numero di telefono è stato sostituito da un altro nel tuo account. Se non l'hai fatto tu, contatta l'assistenza.",
    removed: "Questo numero di telefono è stato rimosso dal tuo account. Se non l'hai fatto tu, contatta l'assistenza."
  },
  ja: {
    code: "認証コードは{code}です。有効期限は{minutes}分です。",
    replaced:
      "お客様のアカウントで、この電話番号は別の番号に変更されました。お心当たりがない場合は、サポートにご連絡ください。",
    removed: "お客様のアカウントから、この電話番号が削除されました。お心当たりがない場合は、サポートにご連絡ください。"
  },
  ko: {
    code: "인증번호: {code}. {minutes}분간 유효합니다.",
    replaced: "계정에서 이 전화번호가 다른 번호로 변경되었습니다. 본인이 변경하지 않았다면 고객센터에 문의하세요.",
    removed: "계정에서 이 전화번호가 삭제되었습니다. 본인이 삭제하지 않았다면 고객센터에 문의하세요."
  },
  mk: {
    code: "Код: {code}. Важи {minutes, plural, one {# минута} other {# минути}}.",
    replaced: "Овој број е заменет на вашата сметка. Ако не сте вие, јавете ни се.",
    removed: "Овој број е избришан од вашата сметка. Ако не сте вие, јавете ни се."
  },
  nb: {
    code:
      "{code} er bekreftelseskoden din. Den gjelder i {minutes, plural, one {# minutt} other {# minutter}}. Ikke del den med noen.",
    replaced:
      "Dette telefonnummeret er erstattet med et annet på kontoen din. Kontakt kundestøtte hvis det ikke var deg.",
    removed: "Dette telefonnummeret er fjernet fra kontoen din. Kontakt kundestøtte hvis det ikke var deg."
  },
  nl: {
    code:
      "{code} is uw verificatiecode. De code is {minutes, plural, one {# minuut} other {# minuten}} geldig. Deel de code met niemand.",
    replaced:
      "Dit telefoonnummer is in uw account vervangen door een ander nummer. Hebt u dit niet zelf gedaan? Neem contact op met de klantenservice.",
    removed:
      "Dit telefoonnummer is uit uw account verwijderd. Hebt u dit niet zelf gedaan? Neem contact op met de klantenservice."
  },
  pl: {
    code:
      "Kod weryfikacyjny: {code}. Wygasa po {minutes, plural, one {# minucie} other {# minutach}}. Nikomu go nie podawaj.",
    replaced: "Ten numer zastąpiono innym na Twoim koncie. To nie Ty? Zgłoś to nam.",
    removed: "Ten numer usunięto z Twojego konta. To nie Ty? Zgłoś to nam."
  },
  pt: {
    code: "Código: {code}. Expira em {minutes} min.",
    replaced: "Este número foi trocado na sua conta. Não foi você? Avise o suporte.",
    removed: "Este número foi removido da sua conta. Não foi você? Avise o suporte."
  },
  ro: {
    code: "Cod de verificare: {code}. Valabil {minutes, plural, one {# minut} few {# minute} other {# de minute}}.",
    replaced: "Acest număr a fost înlocuit în cont. Nu ați fost dvs.? Contactați-ne.",
    removed: "Acest număr a fost șters din cont. Nu ați fost dvs.? Contactați-ne."
  },
  ru: {
    code: "Код: {code}. Действует {minutes, plural, one {# минуту} few {# минуты} other {# минут}}.",
    replaced: "Этот номер заменён в аккаунте. Если это не вы, обратитесь в поддержку.",
    removed: "Этот номер удалён из аккаунта. Если это не вы, обратитесь в поддержку."
  },
  sk: {
    code: "Váš kód: {code}. Platí {minutes, plural, one {# minútu} few {# minúty} other {# minút}}.",
    replaced: "Toto číslo bolo vo vašom účte nahradené. Neboli ste to vy? Ozvite sa.",
    removed: "Toto číslo bolo odstránené z vášho účtu. Neboli ste to vy? Ozvite sa."
  },
  sv: {
    code:
      "{code} är din verifieringskod. Den gäller i {minutes, plural, one {# minut} other {# minuter}}. Dela den inte med någon.",
    replaced: "Det här telefonnumret har ersatts med ett annat i ditt konto. Om det inte var du, kontakta supporten.",
    removed: "Det här telefonnumret har tagits bort från ditt konto. Om det inte var du, kontakta supporten."
  },
  th: {
    code: "รหัส OTP: {code} ใช้ได้ {minutes} นาที",
    replaced: "หมายเลขนี้ถูกเปลี่ยนในบัญชีของคุณแล้ว หากไม่ใช่คุณ โปรดติดต่อเรา",
    removed: "หมายเลขนี้ถูกลบออกจากบัญชีของคุณแล้ว หากไม่ใช่คุณ โปรดติดต่อเรา"
  },
  tr: {
    code: "Onay kodunuz: {code}. Kodun süresi {minutes} dakika sonra dolar. Bu kodu kimseye vermeyin.",
    replaced: "Bu numara hesabınızda değiştirildi. Siz yapmadıysanız bize bildirin.",
    removed: "Bu numara hesabınızdan kaldırıldı. Siz yapmadıysanız bize bildirin."
  },
  uk: {
    code: "Ваш код: {code}. Діє {minutes, plural, one {# хвилину} few {# хвилини} other {# хвилин}}.",
    replaced: "Цей номер замінено в акаунті. Якщо це не ви, зверніться до підтримки.",
    removed: "Цей номер видалено з акаунта. Якщо це не ви, зверніться до підтримки."
  },
  vi: {
    code: "Mã OTP: {code}. Hiệu lực {minutes} phút.",
    replaced: "Số này đã bị thay trong tài khoản. Không phải bạn? Hãy liên hệ hỗ trợ.",
    removed: "Số này đã bị xóa khỏi tài khoản. Không phải bạn? Hãy liên hệ hỗ trợ."
  },
  zh: {
    code: "您的验证码是{code}，{minutes}分钟内有效。请勿泄露给他人。",
    replaced: "您账户中的此手机号码已被更换。如非本人操作，请联系客服。",
    removed: "此手机号码已从您的账户中移除。如非本人操作，请联系客服。"
  },
  "zh-Hant": {
    code: "您的驗證碼是{code}，{minutes}分鐘內有效。請勿告訴他人。",
    replaced: "您帳戶中的這個電話號碼已被更換。若非您本人操作，請聯絡客服。",
    removed: "這個電話號碼已從您的帳戶中移除。若非您本人操作，請聯絡客服。"
  }
}

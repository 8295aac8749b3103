/**
 * The last line that binds a code to a host, so that browsers offer the code there and nowhere else:
 * https://wicg.github.io/sms-one-time-codes/
 */

/** The text with that line at its end: nothing may follow the line. */
export const withHostLine = (text: string, host: string, code: string): string => `${text}\n\n@${host} #${code}`

/** Why a host cannot stand in that line, or undefined when it can. */
export const faultOf = (host: string): string | undefined => {
  if (/^[a-z][a-z\d+.-]*:\/\//i.test(host)) return "has a scheme"
  if (/[/?#]/.test(host)) return "has a path"
  if (host.includes("@")) return "has a user"
  if (/:\d*$/.test(host) && !host.startsWith("[")) return "has a port"
  if (/[^\p{ASCII}]/u.test(host)) return "is not written in ASCII (as xn--…)"
  const labels = host.split(".")
  if (host.length > 253 || labels.length < 2 || !labels.every((label) => /^(?!-)[a-z\d-]{1,63}(?<!-)$/i.test(label))) {
    return "is not a domain name"
  }
  return /^\d+$/.test(labels.at(-1)!) ? "is an address" : undefined
}

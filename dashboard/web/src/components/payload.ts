/** The bytes of a base64 text; what is none has no bytes. */
export function fromBase64(text: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text), (c) => c.charCodeAt(0))
  } catch {
    return new Uint8Array()
  }
}

/** Bytes as people can read them: UTF-8 without control characters; otherwise hexadecimal. */
export function readable(bytes: Uint8Array): { shown: string; binary: boolean } {
  let plain: string
  try {
    plain = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return { shown: hex(bytes), binary: true }
  }
  // oxlint-disable-next-line no-control-regex -- these are looked for
  if (/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/.test(plain)) return { shown: hex(bytes), binary: true }
  return { shown: plain, binary: false }
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join(' ')
}

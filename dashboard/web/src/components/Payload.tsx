import { useMemo } from 'react'
import { useText } from '../i18n/i18n'
import { fromBase64, readable } from './payload'
import { text } from './text'

/** What a message holds: as text if it is some, in hexadecimal otherwise. cut: there is more of it. */
export function Payload({ base64, bytes, cut, whole }: { base64?: string; bytes?: Uint8Array; cut?: boolean; whole?: boolean }) {
  const t = useText(text)
  const { shown, binary } = useMemo(() => readable(bytes ?? fromBase64(base64 ?? '')), [base64, bytes])
  if (shown === '') return <span className="muted">{t.emptyPayload}</span>
  if (whole) return <pre>{shown + (cut ? '…' : '')}</pre>
  const short = shown.length > 120 || cut
  return (
    <code className="payload" title={binary ? t.binary : undefined}>
      {shown.slice(0, 120) + (short ? '…' : '')}
    </code>
  )
}

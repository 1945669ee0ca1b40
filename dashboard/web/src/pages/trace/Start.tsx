import { useState } from 'react'
import { post } from '../../api/client'
import { ActDialog } from '../../components/Dialog'
import { Input, Select } from '../../components/Field'
import { useText } from '../../i18n/i18n'
import type { Type } from '.'
import { text } from './text'

const lengths = { minutes10: 10, hour: 60, day: 24 * 60 } as const // minutes
type Length = keyof typeof lengths
const goodName = /^[A-Za-z][A-Za-z0-9_-]*$/

export function Start({ onClose }: { onClose: () => void }) {
  const t = useText(text)
  const [name, setName] = useState('')
  const [type, setType] = useState<Type>('clientid')
  const [value, setValue] = useState('')
  const [length, setLength] = useState<Length>('minutes10')
  const [payload, setPayload] = useState<'text' | 'hex' | 'hidden'>('text')
  const bad = name !== '' && !goodName.test(name)
  const body = () => {
    const end = new Date(Date.now() + lengths[length] * 60_000)
    return { name, type, [type]: value, end_at: end.toISOString().replace(/\.\d+Z$/, 'Z'), payload }
  }
  return (
    <ActDialog title={t.start} submit={t.start} check={() => (bad ? t.badName : '')} act={() => post('/trace', body())} done={t.started} stale={['/trace']} onClose={onClose}>
      <Input label={t.name} value={name} onChange={setName} required autoFocus hint={t.nameHint} error={bad ? t.badName : undefined} />
      <Select
        label={t.type}
        value={type}
        onChange={setType}
        options={[
          ['clientid', t.clientid],
          ['topic', t.topic],
          ['ip_address', t.ip_address],
        ]}
      />
      <Input label={t.value} value={value} onChange={setValue} required placeholder={{ clientid: 'lamp-17', topic: 'site/+/state', ip_address: '192.0.2.7' }[type]} />
      <Select label={t.length} value={length} onChange={setLength} options={(Object.keys(lengths) as Length[]).map((l) => [l, t[l]] as const)} />
      <Select
        label={t.payload}
        value={payload}
        onChange={setPayload}
        options={[
          ['text', t.text],
          ['hex', t.hex],
          ['hidden', t.hidden],
        ]}
      />
    </ActDialog>
  )
}

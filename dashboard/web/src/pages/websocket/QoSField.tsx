import { Select } from '../../components/Field'
import { useText } from '../../i18n/i18n'
import { text } from './text'

export type QoS = 0 | 1 | 2

export function QoSField({ value, onChange }: { value: QoS; onChange: (q: QoS) => void }) {
  const t = useText(text)
  return (
    <Select
      label={t.qos}
      value={String(value) as '0' | '1' | '2'}
      onChange={(q) => onChange(Number(q) as QoS)}
      options={[
        ['0', '0'],
        ['1', '1'],
        ['2', '2'],
      ]}
    />
  )
}

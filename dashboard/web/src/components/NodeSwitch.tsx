import { useText } from '../i18n/i18n'
import { text } from './text'

/** Chooses a node, or all ('') if each is not to be had alone. Where there is only one there is nothing to choose. */
export function NodeSwitch({ nodes, value, onChange, each = false }: { nodes: string[]; value: string; onChange: (node: string) => void; each?: boolean }) {
  const t = useText(text)
  if (nodes.length < 2) return null
  return (
    <select aria-label={t.node} value={value} onChange={(e) => onChange(e.target.value)}>
      {!each && <option value="">{t.allNodes}</option>}
      {nodes.map((n) => (
        <option key={n}>{n}</option>
      ))}
    </select>
  )
}

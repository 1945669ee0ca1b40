import { every, useGet } from '../../api/hooks'
import type { Health, NodeAlarms } from '../../api/types'
import { Card } from '../../components/Page'
import { Icon } from '../../components/Icon'
import { Tag, Time } from '../../components/Small'
import { useText } from '../../i18n/i18n'
import { text } from './text'

/** What is wrong: alarms, what the node warns of, backends that don't answer. Nothing at all while nothing is. */
export function Trouble() {
  const t = useText(text)
  const alarms = useGet<NodeAlarms[]>('/alarms/activated', { refresh: every.list }).data?.data.flatMap((n) => n.alarms) ?? []
  const health = useGet<Health>('/health', { refresh: every.slow }).data?.data
  const down = health?.backends.filter((b) => !b.up) ?? []
  const warnings = health?.warnings ?? []
  if (alarms.length + down.length + warnings.length === 0) return null
  return (
    <Card title={t.attention}>
      <ul className="trouble">
        {alarms.map((a) => (
          <li key={a.name} className="notice bad">
            <Icon name="alarm" />
            <p>
              {a.message} <Tag>{a.name}</Tag>{' '}
              <span className="muted">
                <Time ms={a.activate_at / 1000} />
              </span>
            </p>
          </li>
        ))}
        {down.map((b) => (
          <li key={b.name} className="notice bad">
            <Icon name="plugins" />
            <p>
              <b>{b.name}</b>: {t.down}
              {b.error && ` – ${b.error}`} <span className="muted">{<Time ms={b.since * 1000} />}</span>
            </p>
          </li>
        ))}
        {warnings.map((w) => (
          <li key={w} className="notice warn">
            <Icon name="warn" />
            <p>{w}</p>
          </li>
        ))}
      </ul>
    </Card>
  )
}

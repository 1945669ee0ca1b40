import { useQueries } from '@tanstack/react-query'
import { get, path } from '../../api/client'
import { every, useGet } from '../../api/hooks'
import type { Health, Member, NodeAlarms } from '../../api/types'
import { Card } from '../../components/Page'
import { Icon } from '../../components/Icon'
import { Tag, Time } from '../../components/Small'
import { useText } from '../../i18n/i18n'
import { text } from './text'

/** What each of these nodes warns of. */
function useHealth(nodes: string[]): (Health & { node: string })[] {
  return useQueries({
    queries: nodes.map((node) => ({
      queryKey: [path`/nodes/${node}/health`, {}],
      queryFn: ({ signal }: { signal: AbortSignal }) => get<Health>(path`/nodes/${node}/health`, undefined, signal),
      refetchInterval: every.slow,
    })),
  }).flatMap((q, i) => (q.data ? [{ ...q.data.data, node: nodes[i] ?? '' }] : []))
}

/** What is wrong: nodes that are down, alarms, what nodes warn of, backends that don't answer. Nothing at all while nothing is. */
export function Trouble({ node, members }: { node: string; members: Member[] }) {
  const t = useText(text)
  const chosen = members.filter((m) => !node || m.node === node)
  const stopped = chosen.filter((m) => m.node_status === 'Stopped').map((m) => m.node)
  const alarms =
    useGet<NodeAlarms[]>('/alarms/activated', { refresh: every.list })
      .data?.data.filter((n) => !node || n.node === node)
      .flatMap((n) => n.alarms.map((a) => ({ ...a, node: n.node }))) ?? []
  const health = useHealth(chosen.filter((m) => m.node_status === 'Running').map((m) => m.node))
  const down = health.flatMap((h) => h.backends.filter((b) => !b.up).map((b) => ({ ...b, node: h.node })))
  const warnings = health.flatMap((h) => h.warnings.map((says) => ({ says, node: h.node })))
  const where = (of: string) => members.length > 1 && <Tag>{of}</Tag>
  if (stopped.length + alarms.length + down.length + warnings.length === 0) return null
  return (
    <Card title={t.attention}>
      <ul className="trouble">
        {stopped.map((name) => (
          <li key={name} className="notice bad">
            <Icon name="nodes" />
            <p>{t.nodeDown(name)}</p>
          </li>
        ))}
        {alarms.map((a) => (
          <li key={`${a.node} ${a.name}`} className="notice bad">
            <Icon name="alarm" />
            <p>
              {a.message} <Tag>{a.name}</Tag> {where(a.node)}{' '}
              <span className="muted">
                <Time ms={a.activate_at / 1000} />
              </span>
            </p>
          </li>
        ))}
        {down.map((b) => (
          <li key={`${b.node} ${b.name}`} className="notice bad">
            <Icon name="plugins" />
            <p>
              <b>{b.name}</b>: {t.down}
              {b.error && ` – ${b.error}`} {where(b.node)} <span className="muted">{<Time ms={b.since * 1000} />}</span>
            </p>
          </li>
        ))}
        {warnings.map((w) => (
          <li key={`${w.node} ${w.says}`} className="notice warn">
            <Icon name="warn" />
            <p>
              {w.says} {where(w.node)}
            </p>
          </li>
        ))}
      </ul>
    </Card>
  )
}

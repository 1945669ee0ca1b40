import { every, useGet } from '../../api/hooks'
import type { Member } from '../../api/types'
import { useParams } from '../../app/router'
import { NodeSwitch } from '../../components/NodeSwitch'
import { Page } from '../../components/Page'
import { useText } from '../../i18n/i18n'
import { Charts } from './Charts'
import { Nodes } from './Nodes'
import { text } from './text'
import { Tiles } from './Tiles'
import { Trouble } from './Trouble'

/** What the brokers of the cluster do now, have done in the last hour, and what is wrong; of one of them, or of all together. */
export default function Overview() {
  const t = useText(text)
  const [params, setParams] = useParams()
  const node = params.get('node') ?? ''
  const members = useGet<Member[]>('/nodes', { refresh: every.list }).data?.data ?? []
  return (
    <Page title={t.title} actions={<NodeSwitch nodes={members.map((m) => m.node)} value={node} onChange={(n) => setParams({ node: n })} />}>
      <Trouble node={node} members={members} />
      <Tiles node={node} />
      <Charts node={node} />
      <Nodes />
    </Page>
  )
}

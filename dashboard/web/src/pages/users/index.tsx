import { useParams } from '../../app/router'
import { Page, Tabs } from '../../components/Page'
import { useText } from '../../i18n/i18n'
import { Keys } from './Keys'
import { text } from './text'
import { Users } from './Users'

/** Who may log in to the dashboard, and what programs log in to the REST API with. */
export default function UsersAndKeys() {
  const t = useText(text)
  const [params, setParams] = useParams()
  const tab = params.get('tab') === 'keys' ? 'keys' : 'users'
  return (
    <Page title={t.title} lead={t.lead}>
      <Tabs
        label={t.title}
        value={tab}
        onChange={(to) => setParams({ tab: to === 'users' ? undefined : to })}
        options={[
          ['users', t.users],
          ['keys', t.keys],
        ]}
      />
      {tab === 'users' ? <Users /> : <Keys />}
    </Page>
  )
}

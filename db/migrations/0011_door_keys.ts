import { sql, type Kysely } from 'kysely';

/**
 * By what a shared door tells a call that names no account of ours: keyed hashes of the word that a channel's handshake
 * brings and of what signs its calls, so that the one channel is found, and each app asked once, however many there are.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

// Asked before any tenant is known: only ids come back.
const definer = (signature: string, returns: string, body: string) => [
  `create function ${signature} returns ${returns} language sql stable security definer set search_path = public, pg_temp as $$ ${body} $$`,
  `revoke all on function ${signature} from public`,
  `grant execute on function ${signature} to postroom_app`,
];

const PLACE = 'table (tenant_id text, channel_id text, version bigint)';

const STATEMENTS = [
  // door_key_id: the key of the ring that the hashes were made with; null: not made yet.
  `alter table channels
     add column door_key_id text,
     add column door_word bytea,
     add column door_signer bytea,
     add column door_group text`,
  `create index channels_by_door_word on channels (provider, door_word)
     where door_word is not null and deleted_at is null`,
  `create index channels_by_door_signer on channels (provider, door_signer, id)
     where door_signer is not null and deleted_at is null`,
  // door_group: what several accounts belong to, where the vendor's calls name that in place of all of them.
  `create index channels_by_door_group on channels (provider, door_group)
     where door_group is not null and deleted_at is null`,
  // Those that wait for one word are alike to who brings it.
  ...definer(
    'door_channels_of_word(wanted_provider text, hashes bytea[])',
    PLACE,
    `select tenant_id, id, version::bigint from channels
      where provider = wanted_provider and door_word = any (hashes)
        and deleted_at is null and desired_state <> 'stopped'
      order by id desc limit 5`,
  ),
  // One channel of each app: from one hash to the next by the index, however many channels share it.
  ...definer(
    'door_signers(wanted_provider text, at_most int)',
    PLACE,
    `with recursive signers as (
       (select door_signer as hash from channels
         where provider = wanted_provider and door_signer is not null and deleted_at is null
         order by door_signer limit 1)
       union all
       select (select c.door_signer from channels c
                where c.provider = wanted_provider and c.door_signer > s.hash and c.deleted_at is null
                order by c.door_signer limit 1)
         from signers s where s.hash is not null)
     select newest.tenant_id, newest.id, newest.version::bigint
       from (select hash from signers where hash is not null limit at_most) apps
       cross join lateral (
         select c.tenant_id, c.id, c.version from channels c
          where c.provider = wanted_provider and c.door_signer = apps.hash and c.deleted_at is null
          order by c.id desc limit 1) newest`,
  ),
  ...definer(
    'channels_without_door_keys(of_providers text[], key_id text, after text, at_most int)',
    'table (tenant_id text, channel_id text)',
    `select tenant_id, id from channels
      where provider = any (of_providers) and door_key_id is distinct from key_id
        and deleted_at is null and id > after
      order by id limit at_most`,
  ),
  // All that one call names at once. channels_of_account stays for processes of the release before.
  ...definer(
    'channels_of_accounts(wanted_provider text, wanted text[])',
    'table (account text, tenant_id text, channel_id text, version bigint)',
    `select account, tenant_id, id, version::bigint from channels
      where provider = wanted_provider and account = any (wanted) and deleted_at is null
     union all
     select door_group, tenant_id, id, version::bigint from channels
      where provider = wanted_provider and door_group = any (wanted) and deleted_at is null
      order by 3`,
  ),
];

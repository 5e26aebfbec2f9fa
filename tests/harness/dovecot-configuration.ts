import type { Certificate } from './certificate.ts';

export interface DovecotPorts {
  readonly imap: number;
  readonly imaps: number;
  readonly pop3: number;
  readonly pop3s: number;
}

export interface DovecotConfigurationInput {
  readonly folder: string;
  readonly ports: DovecotPorts;
  readonly certificate: Certificate;
  readonly root: boolean;
  /** Whose files the mails are; Dovecot refuses root. */
  readonly owner: { readonly uid: number; readonly gid: number };
  /** Names of the user who starts it and its group, for its inner processes where that is not root. */
  readonly user: string;
  readonly group: string;
  /** Where OAuth tokens are asked about (RFC 7662); without it none is taken. */
  readonly introspectionUrl?: string;
}

/** dovecot.conf, whole: nothing of the machine's own configuration is read. */
export function dovecotConfiguration(version: string, input: DovecotConfigurationInput): string {
  const older = version.startsWith('2.3.');
  return `${older ? settingsOf23(input) : settingsOf24(input)}${oauth(input, older)}${services(input)}${input.root ? '' : unprivileged(input)}`;
}

function settingsOf23({ folder, certificate, owner }: DovecotConfigurationInput): string {
  return `
protocols = imap pop3
ssl_cert = <${certificate.certFile}
ssl_key = <${certificate.keyFile}
disable_plaintext_auth = no
mail_location = maildir:${folder}/mail/%u
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u ${folder}/users
}
userdb {
  driver = static
  args = uid=${owner.uid} gid=${owner.gid} home=${folder}/mail/%u
}
`;
}

/** Version 2.4 names most of it anew. */
function settingsOf24({ folder, certificate, owner }: DovecotConfigurationInput): string {
  return `
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
protocols {
  imap = yes
  pop3 = yes
}
ssl_server_cert_file = ${certificate.certFile}
ssl_server_key_file = ${certificate.keyFile}
auth_allow_cleartext = yes
mail_driver = maildir
mail_path = ${folder}/mail/%{user}
passdb passwd-file {
  default_password_scheme = PLAIN
  passwd_file_path = ${folder}/users
}
userdb static {
  fields {
    uid = ${owner.uid}
    gid = ${owner.gid}
    home = ${folder}/mail/%{user}
  }
}
`;
}

/** Settings of version 2.3's oauth2 database, which has a file of its own. */
export function oauthDatabase(introspectionUrl: string): string {
  return `
introspection_url = ${introspectionUrl}
introspection_mode = post
force_introspection = yes
username_attribute = username
active_attribute = active
active_value = true
`;
}

function oauth({ folder, introspectionUrl }: DovecotConfigurationInput, older: boolean): string {
  if (introspectionUrl === undefined) return '';
  if (older)
    return `
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = ${folder}/oauth2.conf
}
`;
  return `
oauth2 {
  introspection_url = ${introspectionUrl}
  introspection_mode = post
  force_introspection = yes
  username_attribute = username
  active_attribute = active
  active_value = true
}
`;
}

function services({ folder, ports, introspectionUrl }: DovecotConfigurationInput): string {
  return `
base_dir = ${folder}/run
state_dir = ${folder}/state
log_path = ${folder}/dovecot.log
listen = 127.0.0.1
ssl = yes
auth_mechanisms = plain login${introspectionUrl === undefined ? '' : ' xoauth2 oauthbearer'}
auth_failure_delay = 0
mail_max_userip_connections = 100
mailbox_idle_check_interval = 5 secs
pop3_lock_session = yes
first_valid_uid = 1
first_valid_gid = 1
namespace inbox {
  inbox = yes
  separator = /
  mailbox Sent {
    auto = create
    special_use = \\Sent
  }
}
service anvil {
  # No penalty for an address after a wrong password: all tests come from the same.
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service imap-login {
  service_count = 0
  inet_listener imap {
    port = ${ports.imap}
  }
  inet_listener imaps {
    port = ${ports.imaps}
    ssl = yes
  }
}
service pop3-login {
  service_count = 0
  inet_listener pop3 {
    port = ${ports.pop3}
  }
  inet_listener pop3s {
    port = ${ports.pop3s}
    ssl = yes
  }
}
`;
}

function unprivileged({ user, group }: DovecotConfigurationInput): string {
  return `
default_internal_user = ${user}
default_internal_group = ${group}
default_login_user = ${user}
service anvil {
  chroot =
}
service imap-login {
  chroot =
}
service pop3-login {
  chroot =
}
`;
}

// Words by which a customer asks for silence, and takes that back. Only a message that is such a word and nothing else
// counts: "please stop by tomorrow" is none.

/** The words that carriers want honoured (CTIA, Short Code Monitoring Handbook), and those of other languages. */
const OUT = wordsOf([
  'stop',
  'stopall',
  'stop all',
  'unsubscribe',
  'opt out',
  'optout',
  'stopp',
  'abmelden',
  'abbestellen',
  'arrêt',
  'arrêter',
  'désabonner',
  'stop pub',
  'parar',
  'darse de baja',
  'cancelar suscripción',
  'sair',
  'descadastrar',
  'cancelar inscrição',
  'disiscrivi',
  'annulla iscrizione',
  'afmelden',
  'uitschrijven',
  'wypisz',
  'стоп',
  'отписаться',
  'отписка',
  'durdur',
  'iptal et',
  'توقف',
  'إلغاء الاشتراك',
  'עצור',
  'बंद',
  'berhenti',
  '停止',
  '退订',
  '退訂',
  '配信停止',
  '수신거부',
]);

const IN = wordsOf([
  'start',
  'unstop',
  'subscribe',
  'opt in',
  'optin',
  'anmelden',
  'abonnieren',
  'abonner',
  'reprendre',
  'empezar',
  'suscribir',
  'iniciar',
  'começar',
  'assinar',
  'iscrivi',
  'inizia',
  'aanmelden',
  'zapisz',
  'старт',
  'подписаться',
  'başlat',
  'ابدأ',
  'التسجيل',
  'התחל',
  'mulai',
  '开始',
  '订阅',
  '訂閱',
  '配信再開',
  '수신동의',
]);

/** What a customer's whole message says of hearing from us; null where it says nothing of that. */
export function optOf(text: string): 'out' | 'in' | null {
  if (text.length > 100) return null;
  const word = plain(text);
  if (OUT.has(word)) return 'out';
  return IN.has(word) ? 'in' : null;
}

function wordsOf(words: readonly string[]): ReadonlySet<string> {
  return new Set(words.map(plain));
}

/** Without case, accents and punctuation. */
function plain(text: string): string {
  return text
    .normalize('NFKD')
    .replaceAll(/\p{Diacritic}/gu, '')
    .normalize('NFC')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{M}\p{N}]+/gu, ' ')
    .trim();
}

import Encoding from 'encoding-japanese';
import iconv from 'iconv-lite';

/** What people of one tongue write, and the charset their mail programs write it in. */
export interface Language {
  readonly charset: string;
  /** Of these a text is put together; none looks like the introduction of a quote. */
  readonly sentences: readonly string[];
  readonly topics: readonly string[];
  readonly names: readonly string[];
  /** Base of file names. */
  readonly file: string;
  /** One character may take several bytes, and a run of bytes means the same wherever it stands. */
  readonly isStatelessMultibyte: boolean;
}

const latin = (charset: string, words: Omit<Language, 'charset' | 'isStatelessMultibyte'>) => ({
  charset,
  isStatelessMultibyte: false,
  ...words,
});
const multibyte = (charset: string, words: Omit<Language, 'charset' | 'isStatelessMultibyte'>) => ({
  charset,
  isStatelessMultibyte: true,
  ...words,
});

const japanese = {
  sentences: [
    '注文した商品がまだ届いていません。',
    'ご確認をお願いいたします。',
    '添付の書類をご覧ください。',
    '請求書の金額が間違っているようです。',
    'よろしくお願い申し上げます。',
  ],
  topics: ['配送の遅れについて', '請求書の件', 'ログインできません', '返品のお願い'],
  names: ['山田太郎', '佐藤花子', '鈴木一郎'],
  file: '請求書',
};

const chinese = {
  sentences: [
    '我的订单还没有收到。',
    '请帮我查询一下物流状态。',
    '发票金额不对，请重新开具。',
    '附件是相关的截图和文件。',
    '谢谢你们的帮助。',
  ],
  topics: ['订单没有收到', '发票问题', '无法登录系统', '申请退款'],
  names: ['王小明', '李芳', '张伟'],
  file: '发票',
};

const russian = {
  sentences: [
    'Заказ до сих пор не доставлен.',
    'Пожалуйста, проверьте состояние оплаты.',
    'Во вложении копия договора.',
    'Программа завершается с ошибкой при запуске.',
    'Спасибо за быструю помощь!',
  ],
  topics: ['Вопрос по заказу', 'Ошибка при входе', 'Возврат денег', 'Счёт за октябрь'],
  names: ['Анна Петрова', 'Иван Сидоров', 'Ольга Кузнецова'],
  file: 'договор',
};

export const LANGUAGES: readonly Language[] = [
  latin('us-ascii', {
    sentences: [
      'The order has not arrived yet.',
      'Could you please look into the payment?',
      'The attached pictures show the fault.',
      'After the update the printer stopped working.',
      'Many thanks for your quick help!',
    ],
    topics: ['Order not delivered', 'Cannot log in', 'Refund request', 'Invoice of October'],
    names: ['Ada Lovelace', 'Grace Hopper', 'Alan Turing'],
    file: 'invoice',
  }),
  multibyte('utf-8', {
    sentences: [
      'Die Lieferung ist beschädigt 📦💥 angekommen.',
      'Ο εκτυπωτής δεν λειτουργεί μετά την ενημέρωση.',
      'החשבונית אינה נכונה.',
      'Größe und Farbe stimmen nicht überein.',
      'ありがとうございます – danke – ευχαριστώ!',
    ],
    topics: ['Beschädigte Lieferung 📦', 'Πρόβλημα σύνδεσης', 'שאלה על החשבונית', 'Größe falsch'],
    names: ['Jörg Müller', 'Ελένη Παπαδοπούλου', 'דנה כהן'],
    file: 'Übersicht-πίνακας',
  }),
  latin('iso-8859-1', {
    sentences: [
      "La commande n'a pas été livrée.",
      "Pourriez-vous vérifier la réservation, s'il vous plaît ?",
      'La contraseña no funciona desde el año pasado.',
      'Où peut-on télécharger la dernière mise à jour ?',
      'Je vous remercie par avance de votre réponse rapide.',
    ],
    topics: [
      'Commande non livrée',
      'Contraseña olvidada',
      'Problème de réservation',
      'Données erronées',
    ],
    names: ['François Léger', 'José Núñez', 'Zoë Brûlé'],
    file: 'reçu-été',
  }),
  latin('iso-8859-2', {
    sentences: [
      'Zamówienie nie zostało jeszcze dostarczone.',
      'Proszę o sprawdzenie płatności.',
      'Příloha obsahuje potřebné údaje.',
      'Żółta lampka miga po każdym uruchomieniu.',
      'Děkuji za rychlou odpověď.',
    ],
    topics: [
      'Zamówienie i płatność',
      'Nelze se přihlásit',
      'Zwrot pieniędzy za błąd',
      'Špatná faktura',
    ],
    names: ['Łukasz Wójcik', 'Jiří Dvořák', 'Małgorzata Żak'],
    file: 'zamówienie-číslo',
  }),
  latin('iso-8859-15', {
    sentences: [
      'Le prix affiché est de 25 €, mais la facture indique 30 €.',
      "L'œuvre commandée n'est pas arrivée.",
      'Un chèque de 120 € est joint à ce courrier.',
      'Šárka et Žofie attendent toujours leur colis.',
      'Merci de votre aide précieuse.',
    ],
    topics: ['Facture de 30 €', "L'œuvre manquante", 'Remboursement de 120 €', 'Prix erroné'],
    names: ['Hélène Cœur', 'Loïc Žák', 'Maëlle Šimon'],
    file: 'facture-30€',
  }),
  latin('windows-1252', {
    sentences: [
      'The “premium” plan – 49 € a month – was charged twice.',
      'It’s not what I’ve ordered…',
      'Bitte prüfen Sie die „Rechnung“ über 80 €.',
      'Naïve question: where’s the download?',
      'Thanks — you’re the best™.',
    ],
    topics: [
      '“Premium” plan charged twice',
      'It’s broken…',
      '„Rechnung“ über 80 €',
      'Naïve question',
    ],
    names: ['Seán O’Brien', 'Renée D’Arcy', 'Bjørn Ågård'],
    file: 'plan–€',
  }),
  latin('windows-1251', {
    sentences: [...russian.sentences, 'Їжак не їсть ґудзиків – ось так…'],
    topics: [...russian.topics, 'Скарга на «доставку»'],
    names: [...russian.names, 'Оксана Їжакевич'],
    file: 'рахунок-№',
  }),
  latin('koi8-r', russian),
  { charset: 'iso-2022-jp', isStatelessMultibyte: false, ...japanese },
  multibyte('shift_jis', {
    ...japanese,
    sentences: [...japanese.sentences, '表示ソフトの能力に十分な予算がありません。'],
  }),
  multibyte('euc-jp', japanese),
  multibyte('gb2312', chinese),
  multibyte('gb18030', {
    ...chinese,
    sentences: [...chinese.sentences, '鎔基先生的𠀀字显示不出来。'],
    names: [...chinese.names, '陶喆'],
  }),
  multibyte('big5', {
    sentences: [
      '我的訂單還沒有收到。',
      '請幫我查詢一下物流狀態。',
      '發票金額不對，請重新開立。',
      '這個功能許願了很久，成功了嗎？',
      '謝謝你們的幫忙。',
    ],
    topics: ['訂單沒有收到', '發票問題', '無法登入系統', '申請退款功能'],
    names: ['陳大文', '林美玲', '許功蓋'],
    file: '發票功能',
  }),
  multibyte('ks_c_5601-1987', {
    sentences: [
      '주문한 상품이 아직 도착하지 않았습니다.',
      '결제 상태를 확인해 주세요.',
      '첨부 파일을 참고해 주시기 바랍니다.',
      '업데이트 후에 로그인이 되지 않습니다.',
      '빠른 답변 감사합니다.',
    ],
    topics: ['배송 지연 문의', '결제 오류', '로그인 문제', '환불 요청'],
    names: ['김철수', '이영희', '박지민'],
    file: '청구서',
  }),
];

/** Bytes of a text in a charset; every line of iso-2022-jp begins and ends in ASCII. */
export function encodeText(text: string, charset: string): Buffer {
  if (charset !== 'iso-2022-jp') return iconv.encode(text, charset);
  const lines = text.split('\r\n').map((line) => {
    const codes = Encoding.stringToCode(line);
    return Buffer.from(Encoding.convert(codes, { to: 'JIS', from: 'UNICODE' }));
  });
  return Buffer.concat(lines.flatMap((line, at) => (at === 0 ? [line] : [CRLF, line])));
}

const CRLF = Buffer.from('\r\n');

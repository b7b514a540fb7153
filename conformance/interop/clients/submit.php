<?php
// Reads an order as JSON and lets PHPMailer submit; says how each message ended, as JSON.
use PHPMailer\PHPMailer\Exception;
use PHPMailer\PHPMailer\PHPMailer;

$order = json_decode(stream_get_contents(STDIN), true);
require $order['library'];

$mail = new PHPMailer(true);
$mail->isSMTP();
$mail->Host = $order['address'];
$mail->Port = $order['port'];
$mail->Helo = $order['client'];
$mail->SMTPAuth = true;
$mail->SMTPSecure = PHPMailer::ENCRYPTION_STARTTLS;
$mail->SMTPKeepAlive = $order['keeps'];
$mail->AuthType = $order['mechanism'];
$mail->Username = $order['username'];
$mail->Password = $order['password'];
$mail->CharSet = PHPMailer::CHARSET_UTF8;
// Whose certificate it is has checks of its own.
$mail->SMTPOptions = ['ssl' => ['verify_peer' => false, 'verify_peer_name' => false, 'peer_name' => $order['host']]];

$ends = [];
foreach ($order['messages'] as $one) {
    $mail->clearAllRecipients();
    $mail->clearAttachments();
    $mail->clearCustomHeaders();
    try {
        $mail->setFrom($one['from'], 'Mailer');
        $mail->Sender = $one['sender'];
        foreach ($one['recipients'] as $recipient) {
            $mail->addAddress($recipient);
        }
        foreach ($order['headers'] as $name => $value) {
            $mail->addCustomHeader($name, $value);
        }
        $mail->Subject = $one['subject'];
        $mail->Body = $one['text'];
        if ($one['attachment'] !== '') {
            $mail->addStringAttachment($one['attachment'], 'a.txt');
        }
        $mail->send();
        $ends[] = ['ok' => true, 'said' => $mail->getSMTPInstance()->getLastReply()];
    } catch (Exception $error) {
        $smtp = $mail->getSMTPInstance()->getError();
        $said = $error->getMessage() . ' ' . $mail->getSMTPInstance()->getLastReply();
        $ends[] = ['ok' => false, 'code' => (int) ($smtp['smtp_code'] ?? 0), 'kind' => '', 'said' => $said];
    }
}
$mail->smtpClose();
echo json_encode($ends);

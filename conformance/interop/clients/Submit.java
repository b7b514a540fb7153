// Lets Jakarta Mail's reference implementation (JavaMail) submit; says how each message ended.
// The order is lines of key=value in base64, so that no parser is needed; the answer is such lines too.
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import javax.mail.Message;
import javax.mail.MessagingException;
import javax.mail.Session;
import javax.mail.Transport;
import javax.mail.internet.InternetAddress;
import javax.mail.internet.MimeMessage;
import com.sun.mail.smtp.SMTPAddressFailedException;
import com.sun.mail.smtp.SMTPSendFailedException;
import com.sun.mail.smtp.SMTPTransport;

public class Submit {
    static String decoded(String text) {
        return new String(Base64.getDecoder().decode(text), StandardCharsets.UTF_8);
    }

    public static void main(String[] arguments) throws Exception {
        Map<String, String> order = new HashMap<>();
        List<Map<String, String>> messages = new ArrayList<>();
        Map<String, String> into = order;
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        for (String line; (line = lines.readLine()) != null; ) {
            if (line.equals("message")) {
                into = new HashMap<>();
                messages.add(into);
            } else {
                int at = line.indexOf('=');
                into.put(line.substring(0, at), decoded(line.substring(at + 1)));
            }
        }
        Properties properties = new Properties();
        properties.put("mail.smtp.auth", "true");
        properties.put("mail.smtp.auth.mechanisms", order.get("mechanism"));
        properties.put("mail.smtp.starttls.enable", "true");
        properties.put("mail.smtp.starttls.required", "true");
        properties.put("mail.smtp.localhost", order.get("client"));
        // Whose certificate it is has checks of its own.
        properties.put("mail.smtp.ssl.trust", "*");
        properties.put("mail.smtp.ssl.protocols", "TLSv1.2 TLSv1.3");
        properties.put("mail.smtp.allow8bitmime", "true");
        properties.put("mail.smtp.dsn.notify", "FAILURE");
        if (!order.get("chunk").isEmpty()) {
            properties.put("mail.smtp.chunksize", order.get("chunk"));
        }
        Session session = Session.getInstance(properties);
        SMTPTransport transport = (SMTPTransport) session.getTransport("smtp");
        try {
            transport.connect(order.get("address"), Integer.parseInt(order.get("port")), order.get("username"), order.get("password"));
        } catch (MessagingException refused) {
            for (Map<String, String> one : messages) {
                tell(false, transport.getLastReturnCode(), refused.toString());
            }
            return;
        }
        for (Map<String, String> one : messages) {
            try {
                MimeMessage message = new MimeMessage(session);
                message.setFrom(new InternetAddress(one.get("from")));
                message.setRecipients(Message.RecipientType.TO, InternetAddress.parse(one.get("recipients")));
                message.setSubject(one.get("subject"), "UTF-8");
                message.setHeader(order.get("field"), order.get("run"));
                message.setText(one.get("text"), "UTF-8");
                session.getProperties().put("mail.smtp.from", one.get("sender"));
                message.saveChanges();
                transport.sendMessage(message, message.getAllRecipients());
                tell(true, transport.getLastReturnCode(), transport.getLastServerResponse());
            } catch (MessagingException refused) {
                tell(false, code(refused), refused.toString());
            }
        }
        // isConnected() asks with NOOP, as connection pools do.
        tell(transport.isConnected(), 0, "NOOP");
        transport.close();
    }

    static int code(MessagingException refused) {
        for (Exception one = refused; one instanceof MessagingException; one = ((MessagingException) one).getNextException()) {
            if (one instanceof SMTPSendFailedException) {
                return ((SMTPSendFailedException) one).getReturnCode();
            }
            if (one instanceof SMTPAddressFailedException) {
                return ((SMTPAddressFailedException) one).getReturnCode();
            }
        }
        return 0;
    }

    static void tell(boolean isOk, int code, String said) {
        String text = Base64.getEncoder().encodeToString(said.getBytes(StandardCharsets.UTF_8));
        System.out.println((isOk ? "ok " : "no ") + code + " " + text);
    }
}

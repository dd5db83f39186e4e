import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.concurrent.Executors;
import java.util.stream.IntStream;

/** Draws lots for beds: each answer is the work of all processors, and many are asked for at once. */
public final class Ward {
    private static final int ROUNDS = 20_000;

    public static void main(String[] arguments) throws IOException {
        int port = Integer.parseInt(System.getenv("PORT"));
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
        server.createContext("/lot", Ward::answer);
        server.setExecutor(Executors.newFixedThreadPool(8));
        Runtime.getRuntime().addShutdownHook(new Thread(() -> server.stop(0)));
        server.start();
    }

    private static void answer(HttpExchange exchange) throws IOException {
        String patient = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
        long even = IntStream.range(0, ROUNDS).parallel().filter(round -> digest(patient, round).endsWith("0")).count();
        byte[] text = (digest(patient, 0).substring(0, 8) + " " + even).getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(200, text.length);
        exchange.getResponseBody().write(text);
        exchange.close();
    }

    static String digest(String patient, int round) {
        try {
            byte[] bytes = (patient + "/" + round).getBytes(StandardCharsets.UTF_8);
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        } catch (java.security.NoSuchAlgorithmException impossible) {
            throw new IllegalStateException(impossible);
        }
    }
}

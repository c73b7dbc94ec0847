import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.opensearch.common.settings.Settings;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;

/**
 * Runs a node until the process is told to end. The argument is its home: settings are in the folder config of it,
 * and what a distribution brings as modules is in the folder modules.
 */
public final class Launch {
    public static void main(String[] arguments) throws Exception {
        Settings home = Settings.builder().put("path.home", arguments[0]).build();
        Node node = new Node(InternalSettingsPreparer.prepareEnvironment(home, Map.of(), null, () -> "test"));
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                node.close();
            } catch (Exception e) {
                e.printStackTrace();
            }
        }));
        node.start();
        new CountDownLatch(1).await();
    }
}

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.jgroups.Address;
import org.jgroups.JChannel;
import org.jgroups.Message;
import org.jgroups.ReceiverAdapter;
import org.jgroups.blocks.Request;
import org.jgroups.blocks.RequestOptions;
import org.jgroups.blocks.RpcDispatcher;
import org.jgroups.util.Rsp;
import org.jgroups.util.RspList;

/** A member of a JGroups cluster that takes the same orders from standard input as a member of Stoa's. */
public final class Peer {
    private static final class Tally {
        final int want;
        final CountDownLatch all = new CountDownLatch(1);
        int got;
        long first, last;

        Tally(int want) { this.want = want; }

        synchronized void add() {
            long now = System.nanoTime();
            if (++got == 1) first = now;
            if (got == want) { last = now; all.countDown(); }
        }

        synchronized double seconds() { return ((last == 0 ? System.nanoTime() : last) - first) / 1e9; }
        synchronized int got() { return got; }
    }

    private final AtomicReference<Tally> tally = new AtomicReference<>();
    private final JChannel casts;
    private final JChannel calls;
    private final RpcDispatcher dispatcher;

    private Peer(String castStack, String callStack, int members) throws Exception {
        casts = new JChannel(castStack);
        casts.setReceiver(new ReceiverAdapter() {
            @Override public void receive(Message m) {
                Tally t = tally.get();
                if (t != null) t.add();
            }
        });
        casts.connect("casts");
        calls = new JChannel(callStack);
        dispatcher = new RpcDispatcher(calls, null, null, this);
        calls.connect("calls");
        long limit = System.nanoTime() + 60_000_000_000L;
        while (casts.getView().size() < members || calls.getView().size() < members) {
            if (System.nanoTime() > limit) throw new IllegalStateException("the members do not find each other");
            Thread.sleep(20);
        }
    }

    /** What is called from the others. */
    public byte[] echo(byte[] b) { return b; }

    private String cast(int n, int size) throws Exception {
        Tally t = tally.get();
        byte[] b = new byte[size];
        for (int i = 0; i < n; i++) casts.send(new Message(null, null, b));
        t.all.await(60, TimeUnit.SECONDS);
        return "got=" + t.got() + " seconds=" + t.seconds();
    }

    private String call(boolean all, int n, int threads, int size) throws Exception {
        List<Address> others = new ArrayList<>(calls.getView().getMembers());
        others.remove(calls.getAddress());
        byte[] body = new byte[size];
        long[] took = new long[n];
        AtomicInteger next = new AtomicInteger();
        AtomicReference<Throwable> failed = new AtomicReference<>();
        RequestOptions options = new RequestOptions(Request.GET_ALL, 10_000);
        options.setFlags((byte) (Message.OOB | Message.DONT_BUNDLE));
        Thread[] pool = new Thread[threads];
        long begun = System.nanoTime();
        for (int k = 0; k < threads; k++) {
            pool[k] = new Thread(() -> {
                try {
                    for (int i; (i = next.getAndIncrement()) < n && failed.get() == null; ) {
                        long asked = System.nanoTime();
                        if (all) {
                            RspList answers = dispatcher.callRemoteMethods(others, "echo", new Object[] {body}, new Class[] {byte[].class}, options);
                            for (Object o : answers.values()) {
                                Rsp<?> r = (Rsp<?>) o;
                                if (!r.wasReceived() || ((byte[]) r.getValue()).length != size) throw new IllegalStateException("no answer from " + r.getSender());
                            }
                        } else {
                            Object o = dispatcher.callRemoteMethod(others.get(i % others.size()), "echo", new Object[] {body}, new Class[] {byte[].class}, options);
                            if (((byte[]) o).length != size) throw new IllegalStateException("no answer");
                        }
                        took[i] = System.nanoTime() - asked;
                    }
                } catch (Throwable e) {
                    failed.compareAndSet(null, e);
                }
            });
            pool[k].start();
        }
        for (Thread t : pool) t.join();
        double seconds = (System.nanoTime() - begun) / 1e9;
        if (failed.get() != null) throw new IllegalStateException(failed.get().toString());
        Arrays.sort(took);
        return "rate=" + n / seconds + " p50=" + took[(n + 1) / 2 - 1] / 1e3 + " p99=" + took[(n * 99 + 99) / 100 - 1] / 1e3;
    }

    private String obey(String line) throws Exception {
        String[] w = line.split(" ");
        switch (w[0]) {
            case "prepare":
                return "";
            case "expect":
                tally.set(new Tally(Integer.parseInt(w[1])));
                return "";
            case "cast":
                return cast(Integer.parseInt(w[1]), Integer.parseInt(w[2]));
            case "call":
                return call(w[1].equals("all"), Integer.parseInt(w[2]), Integer.parseInt(w[3]), Integer.parseInt(w[4]));
            default:
                throw new IllegalArgumentException("there is no order " + w[0]);
        }
    }

    public static void main(String[] args) throws Exception {
        Peer p = new Peer(args[0], args[1], Integer.parseInt(args[2]));
        System.out.println("ready");
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = in.readLine()) != null; ) {
            String answer;
            try {
                answer = p.obey(line);
            } catch (Exception e) {
                answer = "error " + e;
            }
            System.out.println(answer);
            System.out.flush();
        }
        System.exit(0);
    }
}
